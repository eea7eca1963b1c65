package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
)

// span is a run of record numbers, both ends in it.
type span struct{ first, last uint64 }

// spans is a sorted list of runs that neither overlap nor touch.
type spans []span

// has reports whether n lies in one of the runs.
func (s spans) has(n uint64) bool {
	i, found := slices.BinarySearchFunc(s, n, func(r span, n uint64) int { return cmp.Compare(r.first, n) })
	return found || i > 0 && s[i-1].last >= n
}

// union returns the runs of all the lists as one.
func union(lists ...[]span) spans {
	all := slices.Concat(lists...)
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	var out spans
	for _, r := range all {
		if n := len(out); n > 0 && r.first <= out[n-1].last+1 {
			out[n-1].last = max(out[n-1].last, r.last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// through returns the end of the run that holds n+1, or n.
func (s spans) through(n uint64) uint64 {
	for _, r := range s {
		if r.first > n+1 {
			break
		}
		n = max(n, r.last)
	}
	return n
}

// querier is what a database and a transaction have in common.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// The tables that hold runs.
const (
	ackedTable = "acked"
	lostTable  = "lost"
)

// readSpans returns the epoch's runs in one table that end at lo or later and
// begin at hi or before.
func readSpans(ctx context.Context, db querier, table string, epoch int64, lo, hi uint64) ([]span, error) {
	return collect(ctx, db, func(rows *sql.Rows) (r span, err error) {
		return r, rows.Scan(&r.first, &r.last)
	}, `SELECT first, last FROM `+table+` WHERE epoch = ? AND first <= ? AND last >= ? ORDER BY first`, epoch, hi, lo)
}

// addSpans adds runs to those of the epoch and joins what touches.
func addSpans(ctx context.Context, tx *sql.Tx, table string, epoch int64, add spans) error {
	if len(add) == 0 {
		return nil
	}
	lo, hi := add[0].first-1, add[len(add)-1].last
	if hi < maxSeq {
		hi++
	}
	old, err := readSpans(ctx, tx, table, epoch, lo, hi)
	if err != nil {
		return err
	}
	now := union(old, add)
	for _, r := range old {
		if !slices.Contains(now, r) {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE epoch = ? AND first = ?`, epoch, r.first); err != nil {
				return err
			}
		}
	}
	for _, r := range now {
		if !slices.Contains(old, r) {
			if _, err := tx.ExecContext(ctx, `INSERT INTO `+table+`(epoch, first, last) VALUES(?,?,?)`, epoch, r.first, r.last); err != nil {
				return err
			}
		}
	}
	return nil
}

// collect runs a query and returns what scan makes of its rows.
func collect[T any](ctx context.Context, db querier, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// number scans a row that is one number.
func number(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) }
