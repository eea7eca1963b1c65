package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/discreet-agent/discreet/gateway"
)

// keepNumbers is for how many days after its last record an epoch's numbers are
// kept, so that a laptop that comes back from a drawer is not taken twice.
const keepNumbers = 366

// Expire removes the days that end at t or before, and with them the people of
// whom nothing is left. From then on, records of those days are refused. It
// returns how many events went.
func (s *Store) Expire(ctx context.Context, t time.Time) (int64, error) {
	done, err := s.alone(ctx)
	if err != nil {
		return 0, fmt.Errorf("expire: %w", err)
	}
	defer done()
	n, err := s.expire(ctx, dayOf(max(t.UnixMilli(), 0)))
	if err != nil {
		return n, fmt.Errorf("expire: %w", err)
	}
	return n, nil
}

func (s *Store) expire(ctx context.Context, floor day) (total int64, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE figure SET value = max(value, ?) WHERE name = 'floor_day'`, int64(floor))
		return err
	})
	if err != nil {
		return 0, err
	}
	list, err := s.days.list()
	if err != nil {
		return 0, err
	}
	for _, n := range list {
		if n >= floor {
			break
		}
		gone, err := s.dropDay(ctx, n)
		if total += gone; err != nil {
			return total, err
		}
	}
	if _, err := s.dropOrphans(ctx); err != nil {
		return total, err
	}
	if err := s.dropStrangers(ctx); err != nil {
		return total, err
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		if err := expireStates(ctx, tx, floor); err != nil {
			return err
		}
		return pruneNumbers(ctx, tx, floor-keepNumbers)
	})
	if err != nil {
		return total, err
	}
	return total, s.clean(ctx)
}

// dropDay removes one day. Its numbers move into meta.db first, so that none of
// its records is missing from its epoch.
func (s *Store) dropDay(ctx context.Context, n day) (gone int64, err error) {
	moved := map[int64][]span{}
	err = s.days.with(ctx, n, func(f *dayFile) error {
		if err := f.db.QueryRowContext(ctx, `SELECT count(*) FROM event`).Scan(&gone); err != nil {
			return err
		}
		_, err := collect(ctx, f.db, func(rows *sql.Rows) (_ struct{}, err error) {
			var epoch int64
			var r span
			err = rows.Scan(&epoch, &r.first, &r.last)
			moved[epoch] = append(moved[epoch], r)
			return struct{}{}, err
		}, `SELECT epoch, first, last FROM acked ORDER BY epoch, first`)
		return err
	})
	if err != nil {
		return 0, err
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		for epoch, runs := range moved {
			if err := addSpans(ctx, tx, ackedTable, epoch, union(runs)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || s.days.remove(n) {
		return gone, err
	}
	// The file cannot be unlinked while somebody else has it open. It is emptied
	// and stays until the next time.
	return gone, s.days.with(ctx, n, func(f *dayFile) error {
		f.writing.Lock()
		defer f.writing.Unlock()
		return inTx(ctx, f.db, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `DELETE FROM event; DELETE FROM acked`)
			return err
		})
	})
}

// dropStrangers removes the devices that are not in the registry and of which no
// event is left.
func (s *Store) dropStrangers(ctx context.Context) error {
	all, err := collect(ctx, s.meta, number, `SELECT source FROM device WHERE known = 0`)
	if err != nil {
		return err
	}
	left, err := without(ctx, s, all, `SELECT EXISTS(SELECT 1 FROM event WHERE source = ?)`, func(v int64) any { return v })
	if err != nil || len(left) == 0 {
		return err
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		for _, table := range []string{"subject", "device"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE source IN (SELECT value FROM json_each(?))`, intList(left)); err != nil {
				return err
			}
		}
		return prune(ctx, tx)
	})
}

// pruneNumbers forgets epochs of which nothing came since oldest.
func pruneNumbers(ctx context.Context, tx *sql.Tx, oldest day) error {
	for _, table := range []string{"acked", "lost", "gap"} {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE epoch IN (SELECT idx FROM epoch WHERE last_day < ?)`, int64(oldest)); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM epoch WHERE last_day < ?`, int64(oldest))
	if err == nil {
		_, err = tx.ExecContext(ctx, `DELETE FROM source WHERE idx NOT IN (SELECT source FROM device) AND idx NOT IN (SELECT source FROM epoch)`)
	}
	return err
}

// Totals counts what the store holds, restricted subjects and all. It reads
// every row's key: it is no call for a busy path.
func (s *Store) Totals(ctx context.Context) (gateway.Totals, error) {
	t := gateway.Totals{Kinds: map[string]int64{}}
	var runs []held
	err := s.days.each(ctx, firstDay, lastDay, func(f *dayFile) error {
		more, err := s.totalDay(ctx, f, &t)
		runs = append(runs, more...)
		return err
	})
	if err == nil {
		var again int64
		again, err = s.acrossDays(ctx, runs)
		t.Duplicates += again
	}
	if err == nil {
		err = s.meta.QueryRowContext(ctx, `SELECT (SELECT value FROM figure WHERE name = 'skipped'), count(*), coalesce(sum(count), 0) FROM gap`).
			Scan(&t.Skipped, &t.Gaps, &t.Lost)
	}
	if err != nil {
		return t, fmt.Errorf("totals: %w", err)
	}
	return t, nil
}

// held says between which numbers a day has rows of an epoch.
type held struct {
	day                        day
	source, epoch, first, last int64
}

func (s *Store) totalDay(ctx context.Context, f *dayFile, t *gateway.Totals) ([]held, error) {
	_, err := collect(ctx, f.db, func(rows *sql.Rows) (_ struct{}, err error) {
		var kind, n int64
		err = rows.Scan(&kind, &n)
		t.Events += n
		t.Kinds[s.shapes.kindName(kind)] += n
		return struct{}{}, err
	}, `SELECT kind, count(*) FROM event GROUP BY kind`)
	if err != nil {
		return nil, err
	}
	var again int64
	err = f.db.QueryRowContext(ctx, `SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM event GROUP BY source, epoch, seq HAVING n > 1)`).Scan(&again)
	if err != nil {
		return nil, err
	}
	t.Duplicates += again
	return collect(ctx, f.db, func(rows *sql.Rows) (h held, err error) {
		h.day = f.day
		return h, rows.Scan(&h.source, &h.epoch, &h.first, &h.last)
	}, `SELECT source, epoch, min(seq), max(seq) FROM event GROUP BY source, epoch`)
}

// acrossDays counts the rows that have the same name on two days.
func (s *Store) acrossDays(ctx context.Context, runs []held) (total int64, err error) {
	byEpoch := map[int64][]held{}
	for _, h := range runs {
		byEpoch[h.epoch] = append(byEpoch[h.epoch], h)
	}
	for _, list := range byEpoch {
		for i, a := range list {
			for _, b := range list[i+1:] {
				lo, hi := max(a.first, b.first), min(a.last, b.last)
				if lo > hi {
					continue
				}
				n, err := s.shared(ctx, a, b, lo, hi)
				if total += n; err != nil {
					return total, err
				}
			}
		}
	}
	return total, nil
}

// shared counts the numbers from lo to hi of which both days have a row.
func (s *Store) shared(ctx context.Context, a, b held, lo, hi int64) (n int64, err error) {
	const query = `SELECT seq FROM event WHERE source = ? AND epoch = ? AND seq BETWEEN ? AND ?`
	in := map[int64]bool{}
	for _, h := range []held{a, b} {
		err := s.days.with(ctx, h.day, func(f *dayFile) error {
			seqs, err := collect(ctx, f.db, number, query, h.source, h.epoch, lo, hi)
			for _, seq := range seqs {
				if in[seq] {
					n++
				}
				in[seq] = true
			}
			return err
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
