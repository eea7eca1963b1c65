package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/discreet-agent/discreet/gateway"
)

// Delete removes the subjects and the events that name them, and after a machine
// also the people of whom nothing is left. Ids that are not there count nothing.
// Whatever stops it half way, calling it again finishes the work; so it does
// after ErrRemains.
func (s *Store) Delete(ctx context.Context, ids []gateway.SubjectID) (gateway.Erased, error) {
	return s.erase(ctx, "delete", ids, s.delete)
}

// Anonymise takes the names off the subjects. A person who is reported again
// afterwards is a new subject. A machine stays without a name: what later says
// its name, asset id, tags, serial number or addresses is stored without them.
func (s *Store) Anonymise(ctx context.Context, ids []gateway.SubjectID) (gateway.Erased, error) {
	return s.erase(ctx, "anonymise", ids, s.anonymise)
}

// erase runs do while nobody else changes rows, and then wipes the old bytes.
func (s *Store) erase(ctx context.Context, what string, ids []gateway.SubjectID, do func(context.Context, picked) (gateway.Erased, error)) (gateway.Erased, error) {
	done, err := s.alone(ctx)
	if err != nil {
		return gateway.Erased{}, fmt.Errorf("%s: %w", what, err)
	}
	defer done()
	p, err := s.pick(ctx, ids)
	if err != nil {
		return gateway.Erased{}, fmt.Errorf("%s: %w", what, err)
	}
	e, err := do(ctx, p)
	if err == nil {
		err = s.clean(ctx)
	}
	if err != nil {
		return e, fmt.Errorf("%s: %w", what, err)
	}
	return e, nil
}

func (s *Store) delete(ctx context.Context, p picked) (e gateway.Erased, err error) {
	err = s.days.each(ctx, firstDay, lastDay, func(f *dayFile) error {
		n, err := deleteRows(ctx, f, p)
		e.Events += n
		return err
	})
	if err != nil {
		return e, err
	}
	// The names go last: as long as they are there, a second try finds its rows.
	err = s.write(ctx, func(tx *sql.Tx) error {
		n, err := affected(tx.ExecContext(ctx, `DELETE FROM subject WHERE id IN (SELECT unhex(value) FROM json_each(?)) OR source IN (SELECT value FROM json_each(?))`,
			hexList(p.people), intList(p.machines)))
		e.Subjects += n
		for _, table := range []string{"gap", "device"} {
			if err == nil {
				_, err = tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE source IN (SELECT value FROM json_each(?))`, intList(p.machines))
			}
		}
		if err == nil {
			err = prune(ctx, tx)
		}
		return err
	})
	if err != nil || len(p.machines) == 0 {
		return e, err
	}
	n, err := s.dropOrphans(ctx)
	e.Subjects += n
	return e, err
}

// deleteRows removes the rows of one day. The numbers of the records stay.
func deleteRows(ctx context.Context, f *dayFile, p picked) (n int64, err error) {
	f.writing.Lock()
	defer f.writing.Unlock()
	err = inTx(ctx, f.db, func(tx *sql.Tx) error {
		for _, id := range p.people {
			more, err := affected(tx.ExecContext(ctx, `DELETE FROM event WHERE subject = ?`, id[:]))
			if n += more; err != nil {
				return err
			}
		}
		for _, source := range p.machines {
			more, err := affected(tx.ExecContext(ctx, `DELETE FROM event WHERE source = ?`, source))
			if n += more; err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

func affected(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (s *Store) anonymise(ctx context.Context, p picked) (e gateway.Erased, err error) {
	err = s.days.each(ctx, firstDay, lastDay, func(f *dayFile) error {
		for _, id := range p.people {
			var n int64
			if err := f.db.QueryRowContext(ctx, `SELECT count(*) FROM event WHERE subject = ?`, id[:]).Scan(&n); err != nil {
				return err
			}
			e.Events += n
		}
		for _, source := range p.machines {
			n, err := s.anonymiseRows(ctx, f, source)
			if e.Events += n; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return e, err
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		n, err := affected(tx.ExecContext(ctx, `UPDATE subject SET name = '', upn = '', sid = '', anonymous = 1
			WHERE anonymous = 0 AND (id IN (SELECT unhex(value) FROM json_each(?)) OR source IN (SELECT value FROM json_each(?)))`,
			hexList(p.people), intList(p.machines)))
		e.Subjects += n
		if err == nil {
			_, err = tx.ExecContext(ctx, `UPDATE device SET asset_id = '', tags = '[]' WHERE source IN (SELECT value FROM json_each(?))`, intList(p.machines))
		}
		if err == nil {
			err = prune(ctx, tx)
		}
		return err
	})
	return e, err
}

// anonymiseRows takes what tells the machine from others out of one day's rows,
// and returns how many rows the machine has there.
func (s *Store) anonymiseRows(ctx context.Context, f *dayFile, source int64) (n int64, err error) {
	f.writing.Lock()
	defer f.writing.Unlock()
	err = inTx(ctx, f.db, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM event WHERE source = ?`, source).Scan(&n); err != nil {
			return err
		}
		for kind, sh := range s.shapes {
			if len(sh.machine) == 0 {
				continue
			}
			rows, err := collect(ctx, tx, scanRow, rowColumns+`WHERE source = ? AND kind = ?`, source, int64(kind))
			if err != nil {
				return err
			}
			for _, r := range rows {
				body, changed, err := s.shapes.anonymous(r.body)
				if err == nil && changed {
					_, err = tx.ExecContext(ctx, `UPDATE event SET body = ? WHERE source = ? AND epoch = ? AND seq = ?`, body, r.at.source, r.at.epoch, r.at.seq)
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	return n, err
}

// Restrict marks subjects, or unmarks them. Their events stay, and Retrieve and
// the duties still see them; Events does not.
func (s *Store) Restrict(ctx context.Context, ids []gateway.SubjectID, on bool) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE subject SET restricted = ? WHERE id IN (SELECT unhex(value) FROM json_each(?))`, on, hexList(ids))
		return err
	})
	if err != nil {
		return fmt.Errorf("restrict: %w", err)
	}
	return nil
}

// dropOrphans removes the people of whom no event is left. The caller has the
// store alone: an Append writes names before rows.
func (s *Store) dropOrphans(ctx context.Context) (int64, error) {
	people, err := collect(ctx, s.meta, scanID, `SELECT id FROM subject WHERE kind = 1`)
	if err != nil {
		return 0, err
	}
	left, err := without(ctx, s, people, `SELECT EXISTS(SELECT 1 FROM event WHERE subject = ?)`, func(id gateway.SubjectID) any { return id[:] })
	if err != nil || len(left) == 0 {
		return 0, err
	}
	var n int64
	err = s.write(ctx, func(tx *sql.Tx) (err error) {
		n, err = affected(tx.ExecContext(ctx, `DELETE FROM subject WHERE id IN (SELECT unhex(value) FROM json_each(?))`, hexList(left)))
		if err == nil {
			err = prune(ctx, tx)
		}
		return err
	})
	return n, err
}

// without returns those of all for which exists finds no row on any day. It
// begins with the newest day, where most of them are.
func without[T any](ctx context.Context, s *Store, all []T, exists string, key func(T) any) ([]T, error) {
	list, err := s.days.list()
	if err != nil {
		return nil, err
	}
	for i := len(list) - 1; i >= 0 && len(all) > 0; i-- {
		err := s.days.with(ctx, list[i], func(f *dayFile) error {
			stmt, err := f.db.PrepareContext(ctx, exists)
			if err != nil {
				return err
			}
			defer stmt.Close()
			left := all[:0]
			for _, v := range all {
				var found bool
				if err := stmt.QueryRowContext(ctx, key(v)).Scan(&found); err != nil {
					return err
				}
				if !found {
					left = append(left, v)
				}
			}
			all = left
			return nil
		})
		if err != nil && !errors.Is(err, errGone) {
			return nil, err
		}
	}
	return all, nil
}

// clean moves every write-ahead log into its database and cuts it to nothing:
// until then it holds the pages as they were. It does so for all files, also for
// those that an earlier try could not finish.
func (s *Store) clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.EraseWait)
	defer cancel()
	err := s.days.each(ctx, firstDay, lastDay, func(f *dayFile) error { return truncate(ctx, f.db) })
	if err := errors.Join(err, truncate(ctx, s.meta)); err != nil {
		return fmt.Errorf("%w: %w; hint: stop what reads the store for long; the next erasure or expiry wipes them", ErrRemains, err)
	}
	return nil
}

// truncate empties the log of one database. It tries again while a reader of
// any process still needs it.
func truncate(ctx context.Context, db *sql.DB) error {
	for {
		var busy, logged, moved int
		err := db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &logged, &moved)
		if err != nil {
			return fmt.Errorf("empty the log: %w", err)
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("empty the log: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
