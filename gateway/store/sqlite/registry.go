package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// PutDevice stores d in place of what is there. An anonymous machine gets no
// asset id and no tags again.
func (s *Store) PutDevice(ctx context.Context, d gateway.DeviceRecord) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		_, err := putDevice(ctx, tx, d)
		return err
	})
	if err != nil {
		return fmt.Errorf("put device: %w", err)
	}
	return nil
}

func putDevice(ctx context.Context, tx *sql.Tx, d gateway.DeviceRecord) (source int64, err error) {
	list, err := json.Marshal(append([]string{}, d.Tags...))
	if err != nil {
		return 0, err
	}
	if source, err = ensureDevice(ctx, tx, d.Device); err != nil {
		return 0, err
	}
	asset, tags := d.AssetID, string(list)
	var anonymous bool
	if err := tx.QueryRowContext(ctx, `SELECT anonymous FROM subject WHERE kind = 2 AND source = ?`, source).Scan(&anonymous); err != nil {
		return 0, err
	}
	if anonymous {
		asset, tags = "", "[]"
	}
	_, err = tx.ExecContext(ctx, `UPDATE device SET known = 1, grp = ?, enrolled_ms = ?, contact_ms = ?, agent_version = ?, policy_digest = ?,
		asset_id = ?, tags = ?, system = ?, revoked = max(revoked, ?), cert_serial = ?, cert_expires_ms = ? WHERE source = ?`,
		d.Group, ms(d.Enrolled), ms(d.LastContact), d.AgentVersion, d.PolicyDigest,
		asset, tags, int64(d.System), d.Revoked, d.CertSerial, ms(d.CertExpires), source)
	return source, err
}

// RenewDevice notes the newest certificate of a device that is there.
func (s *Store) RenewDevice(ctx context.Context, dev gateway.Device, certSerial string, expires time.Time) error {
	return s.change(ctx, "renew device", `UPDATE device SET cert_serial = ?, cert_expires_ms = ? WHERE known = 1 AND id = ?`, certSerial, ms(expires), string(dev))
}

// DescribeDevice notes what a device that is there says of itself. An anonymous
// machine gets no asset id and no tags again.
func (s *Store) DescribeDevice(ctx context.Context, dev gateway.Device, assetID string, tags []string, system eventv1.System) error {
	list, err := json.Marshal(append([]string{}, tags...))
	if err != nil {
		return fmt.Errorf("describe device: %w", err)
	}
	const anonymous = `EXISTS(SELECT 1 FROM subject WHERE kind = 2 AND subject.source = device.source AND anonymous = 1)`
	return s.change(ctx, "describe device", `UPDATE device SET system = ?, asset_id = CASE WHEN `+anonymous+` THEN '' ELSE ? END,
		tags = CASE WHEN `+anonymous+` THEN '[]' ELSE ? END WHERE known = 1 AND id = ?`, int64(system), assetID, string(list), string(dev))
}

const deviceColumns = `SELECT id, grp, enrolled_ms, contact_ms, agent_version, policy_digest, asset_id, tags, system, revoked, cert_serial, cert_expires_ms FROM device WHERE known = 1`

func scanDevice(rows *sql.Rows) (d gateway.DeviceRecord, err error) {
	var enrolled, contact, expires int64
	var tags string
	err = rows.Scan(&d.Device, &d.Group, &enrolled, &contact, &d.AgentVersion, &d.PolicyDigest, &d.AssetID, &tags, &d.System, &d.Revoked, &d.CertSerial, &expires)
	if err != nil {
		return d, err
	}
	d.Enrolled, d.LastContact, d.CertExpires = fromMS(enrolled), fromMS(contact), fromMS(expires)
	if err := json.Unmarshal([]byte(tags), &d.Tags); err != nil {
		return d, fmt.Errorf("decode tags: %w", err)
	}
	if len(d.Tags) == 0 {
		d.Tags = nil
	}
	return d, nil
}

// Device returns the record of dev.
func (s *Store) Device(ctx context.Context, dev gateway.Device) (gateway.DeviceRecord, error) {
	found, err := collect(ctx, s.meta, scanDevice, deviceColumns+` AND id = ?`, string(dev))
	if err == nil && len(found) == 0 {
		err = gateway.ErrNotFound
	}
	if err != nil {
		return gateway.DeviceRecord{}, fmt.Errorf("device: %w", err)
	}
	return found[0], nil
}

// Devices returns all records, in the order of their ids.
func (s *Store) Devices(ctx context.Context) ([]gateway.DeviceRecord, error) {
	found, err := collect(ctx, s.meta, scanDevice, deviceColumns+` ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("devices: %w", err)
	}
	return found, nil
}

// Touch notes a contact. An earlier time than the noted one changes nothing.
func (s *Store) Touch(ctx context.Context, dev gateway.Device, at time.Time, agentVersion string, policyDigest []byte) error {
	return s.change(ctx, "touch device", `UPDATE device SET contact_ms = max(contact_ms, ?1),
		agent_version = CASE WHEN ?2 = '' THEN agent_version ELSE ?2 END,
		policy_digest = coalesce(?3, policy_digest) WHERE known = 1 AND id = ?4`,
		ms(at), agentVersion, noneIfEmpty(policyDigest), string(dev))
}

// noneIfEmpty returns NULL for no bytes.
func noneIfEmpty(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// Revoke marks the device as revoked.
func (s *Store) Revoke(ctx context.Context, dev gateway.Device) error {
	return s.change(ctx, "revoke device", `UPDATE device SET revoked = 1 WHERE known = 1 AND id = ?`, string(dev))
}

// change runs a statement that changes one thing, or returns ErrNotFound.
func (s *Store) change(ctx context.Context, what, query string, args ...any) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		n, err := affected(tx.ExecContext(ctx, query, args...))
		if err == nil && n == 0 {
			err = gateway.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// PutToken stores a token, in place of one with its id.
func (s *Store) PutToken(ctx context.Context, t gateway.Token) error {
	return s.change(ctx, "put token", `INSERT INTO token(id, hash, grp, uses_left, created_ms, expires_ms, revoked) VALUES(?,?,?,?,?,?,?)
		ON CONFLICT(id) DO UPDATE SET hash = excluded.hash, grp = excluded.grp, uses_left = excluded.uses_left,
			created_ms = excluded.created_ms, expires_ms = excluded.expires_ms, revoked = excluded.revoked`,
		t.ID, t.Hash[:], t.Group, t.UsesLeft, ms(t.Created), ms(t.Expires), t.Revoked)
}

const tokenColumns = `SELECT id, hash, grp, uses_left, created_ms, expires_ms, revoked FROM token`

func scanToken(rows *sql.Rows) (t gateway.Token, err error) {
	var hash []byte
	var created, expires int64
	err = rows.Scan(&t.ID, &hash, &t.Group, &t.UsesLeft, &created, &expires, &t.Revoked)
	copy(t.Hash[:], hash)
	t.Created, t.Expires = fromMS(created), fromMS(expires)
	return t, err
}

// Tokens returns all tokens, oldest first.
func (s *Store) Tokens(ctx context.Context) ([]gateway.Token, error) {
	found, err := collect(ctx, s.meta, scanToken, tokenColumns+` ORDER BY created_ms, id`)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	return found, nil
}

// RevokeToken takes the token out of use.
func (s *Store) RevokeToken(ctx context.Context, id string) error {
	return s.change(ctx, "revoke token", `UPDATE token SET revoked = 1 WHERE id = ?`, id)
}

// UseToken takes one use of the token with that hash and returns the token as
// it is then. Two callers never take the same use.
func (s *Store) UseToken(ctx context.Context, hash [32]byte, now time.Time) (t gateway.Token, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		found, err := collect(ctx, tx, scanToken, tokenColumns+` WHERE hash = ?`, hash[:])
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			return gateway.ErrTokenUnknown
		case found[0].Revoked:
			return gateway.ErrTokenRevoked
		case !found[0].Expires.IsZero() && !now.Before(found[0].Expires):
			return gateway.ErrTokenExpired
		case found[0].UsesLeft <= 0:
			return gateway.ErrTokenUsedUp
		}
		t = found[0]
		t.UsesLeft--
		_, err = tx.ExecContext(ctx, `UPDATE token SET uses_left = ? WHERE id = ?`, t.UsesLeft, t.ID)
		return err
	})
	if err != nil {
		return gateway.Token{}, fmt.Errorf("use token: %w", err)
	}
	return t, nil
}

// PutPolicy notes the levels behind a digest.
func (s *Store) PutPolicy(ctx context.Context, digest [32]byte, levels string) error {
	return s.change(ctx, "put policy", `INSERT INTO policy(digest, levels) VALUES(?,?) ON CONFLICT(digest) DO UPDATE SET levels = excluded.levels`, digest[:], levels)
}

// Policy returns the levels behind a digest.
func (s *Store) Policy(ctx context.Context, digest [32]byte) (levels string, err error) {
	err = s.meta.QueryRowContext(ctx, `SELECT levels FROM policy WHERE digest = ?`, digest[:]).Scan(&levels)
	if errors.Is(err, sql.ErrNoRows) {
		err = gateway.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("policy: %w", err)
	}
	return levels, nil
}
