package sqlite

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"

	"github.com/discreet-agent/discreet/gateway"
)

// stream is what the store knows of one epoch of one device. The indexes are 0
// where it knows nothing yet.
type stream struct {
	source, epoch int64
	first, last   day  // the days that may hold records of the epoch
	odd           bool // some of its records are filed under another day than their own
	noted         bool // meta.db says so too
	device        bool // the device is not deleted
	anonymous     bool // it has no name, and gets none
	floor         day  // what is older has expired
}

// sourceKey names a device in the tables that outlive its deletion. Device ids
// are random, so that nobody can go back from it.
func sourceKey(dev gateway.Device) []byte {
	sum := sha256.Sum256([]byte("discreet source\x00" + string(dev)))
	return sum[:16]
}

func (s *Store) stream(ctx context.Context, dev gateway.Device, epoch gateway.Epoch) (st stream, err error) {
	row := s.meta.QueryRowContext(ctx, `
		SELECT f.value, coalesce(s.idx, 0), coalesce(e.idx, 0), coalesce(e.first_day, 0), coalesce(e.last_day, -1),
		       coalesce(e.odd, 0), d.source IS NOT NULL, coalesce(m.anonymous, 0)
		FROM figure f LEFT JOIN source s ON s.key = ? LEFT JOIN epoch e ON e.source = s.idx AND e.epoch = ?
		LEFT JOIN device d ON d.source = s.idx LEFT JOIN subject m ON m.source = s.idx AND m.kind = 2 WHERE f.name = 'floor_day'`, sourceKey(dev), epoch[:])
	err = row.Scan(&st.floor, &st.source, &st.epoch, &st.first, &st.last, &st.odd, &st.device, &st.anonymous)
	if err != nil {
		return st, fmt.Errorf("look up stream: %w", err)
	}
	st.noted = st.odd
	if s.opts.Retention > 0 {
		st.floor = max(st.floor, dayOf(s.opts.Now().Add(-s.opts.Retention).UnixMilli()))
	}
	return st, nil
}

// settle writes into meta.db what the records need there before their rows can
// be written, and returns the subjects of their people. Mostly all of it is
// there, and nothing is written.
func (s *Store) settle(ctx context.Context, st *stream, dev gateway.Device, epoch gateway.Epoch, byDay map[day][]record, expired spans) (map[names]gateway.SubjectID, error) {
	ids := map[names]gateway.SubjectID{}
	ready := st.device && st.epoch != 0 && len(expired) == 0
	today := dayOf(s.opts.Now().UnixMilli())
	lo, hi, odd := today, today, st.odd
	if st.epoch != 0 {
		lo, hi = st.first, st.last
	}
	var newest record
	for n, recs := range byDay {
		lo, hi = min(lo, n), max(hi, n)
		for _, r := range recs {
			if r.device != "" && (newest.device == "" || r.timeMS >= newest.timeMS) {
				newest = r
			}
			if r.who == (names{}) {
				continue
			}
			if _, ok := ids[r.who]; ok {
				continue
			}
			id, err := person(ctx, s.meta, r.who)
			if err != nil {
				return nil, err
			}
			ids[r.who] = id
			ready = ready && id != gateway.SubjectID{}
		}
	}
	if ready && lo == st.first && hi == st.last && newest.device == "" && odd == st.noted {
		return ids, nil
	}
	err := s.write(ctx, func(tx *sql.Tx) (err error) {
		if st.source, err = ensureDevice(ctx, tx, dev); err != nil {
			return err
		}
		if st.epoch, err = ensureEpoch(ctx, tx, st.source, epoch, lo, hi, odd); err != nil {
			return err
		}
		for who := range ids {
			if ids[who], err = ensurePerson(ctx, tx, who); err != nil {
				return err
			}
		}
		if newest.device != "" {
			// Names of an anonymous machine stay out for good.
			if _, err = tx.ExecContext(ctx, `UPDATE subject SET name = ?1, named_ms = ?2 WHERE kind = 2 AND source = ?3 AND anonymous = 0 AND named_ms <= ?2`,
				newest.device, newest.timeMS, st.source); err != nil {
				return err
			}
		}
		return addSpans(ctx, tx, ackedTable, st.epoch, expired)
	})
	return ids, err
}

// rower is what a database and a transaction have in common.
type rower interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// person returns the subject of the names, or the zero id.
func person(ctx context.Context, db rower, who names) (id gateway.SubjectID, err error) {
	var raw []byte
	err = db.QueryRowContext(ctx, `SELECT id FROM subject WHERE kind = 1 AND anonymous = 0 AND name = ? AND upn = ? AND sid = ?`,
		who.name, who.upn, who.sid).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return id, nil
	}
	if err != nil {
		return id, fmt.Errorf("look up subject: %w", err)
	}
	copy(id[:], raw)
	return id, nil
}

func newSubject() (id gateway.SubjectID) {
	_, _ = rand.Read(id[:]) // never fails, see crypto/rand
	return id
}

func ensurePerson(ctx context.Context, tx *sql.Tx, who names) (gateway.SubjectID, error) {
	id, err := person(ctx, tx, who)
	if err != nil || id != (gateway.SubjectID{}) {
		return id, err
	}
	id = newSubject()
	_, err = tx.ExecContext(ctx, `INSERT INTO subject(id, kind, name, upn, sid) VALUES(?, 1, ?, ?, ?)`, id[:], who.name, who.upn, who.sid)
	return id, err
}

// ensureDevice returns the device's source. It makes the device and its subject
// where they are not there.
func ensureDevice(ctx context.Context, tx *sql.Tx, dev gateway.Device) (source int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT s.idx FROM source s JOIN device d ON d.source = s.idx WHERE s.key = ?`, sourceKey(dev)).Scan(&source)
	if !errors.Is(err, sql.ErrNoRows) {
		return source, err
	}
	if err = tx.QueryRowContext(ctx, `INSERT INTO source(key) VALUES(?) ON CONFLICT(key) DO UPDATE SET key = key RETURNING idx`, sourceKey(dev)).Scan(&source); err != nil {
		return 0, err
	}
	if _, err = tx.ExecContext(ctx, `INSERT INTO device(source, id) VALUES(?, ?)`, source, string(dev)); err != nil {
		return 0, err
	}
	id := newSubject()
	_, err = tx.ExecContext(ctx, `INSERT INTO subject(id, kind, source) VALUES(?, 2, ?)`, id[:], source)
	return source, err
}

// ensureEpoch returns the epoch's index, and widens its days to lo and hi.
func ensureEpoch(ctx context.Context, tx *sql.Tx, source int64, epoch gateway.Epoch, lo, hi day, odd bool) (idx int64, err error) {
	err = tx.QueryRowContext(ctx, `
		INSERT INTO epoch(source, epoch, first_day, last_day, odd) VALUES(?,?,?,?,?)
		ON CONFLICT(source, epoch) DO UPDATE SET first_day = min(first_day, excluded.first_day),
			last_day = max(last_day, excluded.last_day), odd = max(odd, excluded.odd)
		RETURNING idx`, source, epoch[:], int64(lo), int64(hi), odd).Scan(&idx)
	return idx, err
}

// allSpans returns the epoch's runs between lo and hi in every file, and with
// lost also those that will never come.
func (s *Store) allSpans(ctx context.Context, st stream, lo, hi uint64, lost bool) (spans, error) {
	if st.epoch == 0 {
		return nil, nil
	}
	var all []span
	err := s.days.each(ctx, st.first, st.last, func(f *dayFile) error {
		more, err := readSpans(ctx, f.db, ackedTable, st.epoch, lo, hi)
		all = append(all, more...)
		return err
	})
	if err != nil {
		return nil, err
	}
	// meta.db comes last: Expire moves runs into it before it removes their day.
	more, err := readSpans(ctx, s.meta, ackedTable, st.epoch, lo, hi)
	if err != nil {
		return nil, err
	}
	all = append(all, more...)
	if lost {
		if more, err = readSpans(ctx, s.meta, lostTable, st.epoch, lo, hi); err != nil {
			return nil, err
		}
	}
	return union(all, more), nil
}

// Acked returns the last number up to which every record of the epoch is
// stored, expired, deleted or given up by a gap.
func (s *Store) Acked(ctx context.Context, dev gateway.Device, epoch gateway.Epoch) (uint64, error) {
	st, err := s.stream(ctx, dev, epoch)
	if err != nil || st.epoch == 0 {
		return 0, err
	}
	// What was complete stays so, whoever else uses the store: a hint may be too
	// low but not too high.
	s.ackedMu.Lock()
	from := s.acked[st.epoch]
	s.ackedMu.Unlock()
	all, err := s.allSpans(ctx, st, from+1, maxSeq, true)
	if err != nil {
		return 0, fmt.Errorf("acked: %w", err)
	}
	through := all.through(from)
	s.ackedMu.Lock()
	defer s.ackedMu.Unlock()
	if len(s.acked) >= maxAckedHints {
		clear(s.acked)
	}
	s.acked[st.epoch] = max(s.acked[st.epoch], through)
	return through, nil
}
