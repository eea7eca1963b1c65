package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/discreet-agent/discreet/gateway"
)

// PutIdentities stores the identities of people whom the store knows. Where
// nobody is new it only reads.
func (s *Store) PutIdentities(ctx context.Context, dev gateway.Device, list []gateway.Identity) ([]string, error) {
	settled, err := collect(ctx, s.meta, scanText,
		`SELECT DISTINCT name FROM subject WHERE kind = 1 AND anonymous = 0 AND name <> '' AND name IN (SELECT value FROM json_each(?))`, pseudonyms(list))
	if err != nil {
		return nil, fmt.Errorf("put identities: %w", err)
	}
	known := map[string]bool{}
	for _, name := range settled {
		known[name] = true
	}
	for _, id := range list {
		if known[id.Pseudonym] {
			err = s.putIdentity(ctx, dev, id)
		}
		if err != nil {
			return nil, fmt.Errorf("put identities: %w", err)
		}
	}
	return settled, nil
}

func pseudonyms(list []gateway.Identity) string {
	names := make([]string, len(list))
	for i, id := range list {
		names[i] = id.Pseudonym
	}
	b, _ := json.Marshal(names) // strings never fail
	return string(b)
}

func scanText(rows *sql.Rows) (v string, err error) {
	err = rows.Scan(&v)
	return v, err
}

// putIdentity looks for the person once more: an erasure may have come between.
func (s *Store) putIdentity(ctx context.Context, dev gateway.Device, id gateway.Identity) error {
	key := sourceKey(dev)
	var there bool
	err := s.meta.QueryRowContext(ctx, `SELECT EXISTS(SELECT 1 FROM identity i JOIN source o ON o.idx = i.source
		WHERE o.key = ? AND i.pseudonym = ? AND i.officer_key = ?)`, key, id.Pseudonym, id.OfficerKeyID).Scan(&there)
	if err != nil || there {
		return err
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO identity(source, pseudonym, officer_key, sealed)
			SELECT o.idx, ?2, ?3, ?4 FROM source o JOIN device d ON d.source = o.idx WHERE o.key = ?1
			AND EXISTS(SELECT 1 FROM subject WHERE kind = 1 AND anonymous = 0 AND name = ?2)
			AND (SELECT count(*) FROM identity WHERE source = o.idx) < ?5`,
			key, id.Pseudonym, id.OfficerKeyID, id.Sealed, gateway.MaxIdentities)
		return err
	})
}

// Identities returns all that the store keeps.
func (s *Store) Identities(ctx context.Context) ([]gateway.Identity, error) {
	list, err := collect(ctx, s.meta, func(rows *sql.Rows) (id gateway.Identity, err error) {
		err = rows.Scan(&id.Device, &id.Pseudonym, &id.OfficerKeyID, &id.Sealed)
		return id, err
	}, `SELECT d.id, i.pseudonym, i.officer_key, i.sealed FROM identity i JOIN device d ON d.source = i.source
		ORDER BY d.id, i.pseudonym, i.officer_key`)
	if err != nil {
		return nil, fmt.Errorf("identities: %w", err)
	}
	return list, nil
}

// pruneIdentities removes what belongs to nobody whom the store still names.
func pruneIdentities(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM identity WHERE source NOT IN (SELECT source FROM device)
		OR pseudonym NOT IN (SELECT name FROM subject WHERE kind = 1 AND anonymous = 0)`)
	return err
}

// KeyIDs returns the key ids of all pseudonyms that name a subject.
func (s *Store) KeyIDs(ctx context.Context) ([]string, error) {
	// A pseudonym is p1.KEYID.DIGITS; what is none but looks so does no harm.
	ids, err := collect(ctx, s.meta, scanText, `SELECT DISTINCT substr(v, 4, instr(substr(v, 4), '.') - 1) AS id
		FROM (SELECT name AS v FROM subject UNION ALL SELECT upn FROM subject UNION ALL SELECT sid FROM subject)
		WHERE substr(v, 1, 3) = 'p1.' AND instr(substr(v, 4), '.') > 1 ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("key ids: %w", err)
	}
	return ids, nil
}
