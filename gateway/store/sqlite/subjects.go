package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/discreet-agent/discreet/gateway"
)

// Subjects returns what q selects, people first, each kind in the order of its
// names.
func (s *Store) Subjects(ctx context.Context, q gateway.Query) ([]gateway.Subject, error) {
	found, err := s.find(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("subjects: %w", err)
	}
	if q.Device != "" && q.Kind != gateway.Machine {
		if found, err = s.reportedBy(ctx, q.Device, found); err != nil {
			return nil, fmt.Errorf("subjects: %w", err)
		}
	}
	if err := s.tally(ctx, found); err != nil {
		return nil, fmt.Errorf("subjects: %w", err)
	}
	out := make([]gateway.Subject, len(found))
	for i, f := range found {
		out[i] = f.Subject
	}
	return out, nil
}

// entry is a subject with what finds its rows.
type entry struct {
	gateway.Subject
	source int64 // of a machine
}

// find reads the subjects from meta.db, without their figures. Names go in as
// arguments and are never part of a statement.
func (s *Store) find(ctx context.Context, q gateway.Query) ([]entry, error) {
	query := `SELECT s.id, s.kind, s.name, s.upn, s.sid, s.restricted, coalesce(s.source, 0), coalesce(d.id, '')
		FROM subject s LEFT JOIN device d ON d.source = s.source WHERE 1 = 1`
	var args []any
	if q.Kind != 0 {
		query, args = query+` AND s.kind = ?`, append(args, int64(q.Kind))
	}
	if len(q.IDs) > 0 {
		query, args = query+` AND s.id IN (SELECT unhex(value) FROM json_each(?))`, append(args, hexList(q.IDs))
	}
	if len(q.Names) > 0 {
		marks := strings.TrimSuffix(strings.Repeat("?,", len(q.Names)), ",")
		query += ` AND ((s.name IN (` + marks + `) AND s.name <> '') OR (s.upn IN (` + marks + `) AND s.upn <> '') OR (s.sid IN (` + marks + `) AND s.sid <> ''))`
		for range 3 {
			for _, n := range q.Names {
				args = append(args, n)
			}
		}
	}
	if q.Device != "" {
		query, args = query+` AND (s.kind = 1 OR d.id = ?)`, append(args, string(q.Device))
	}
	return collect(ctx, s.meta, func(rows *sql.Rows) (e entry, err error) {
		var id []byte
		err = rows.Scan(&id, &e.Kind, &e.Name, &e.UPN, &e.SID, &e.Restricted, &e.source, &e.Subject.Device)
		copy(e.ID[:], id)
		return e, err
	}, query+` ORDER BY s.kind, s.name, s.upn, s.sid, s.id`, args...)
}

// reportedBy leaves out the people of whom dev has no row.
func (s *Store) reportedBy(ctx context.Context, dev gateway.Device, found []entry) ([]entry, error) {
	st, err := s.stream(ctx, dev, gateway.Epoch{})
	if err != nil {
		return nil, err
	}
	seen := map[gateway.SubjectID]bool{}
	err = s.days.each(ctx, firstDay, lastDay, func(f *dayFile) error {
		ids, err := collect(ctx, f.db, scanID, `SELECT DISTINCT subject FROM event WHERE source = ? AND subject IS NOT NULL`, st.source)
		for _, id := range ids {
			seen[id] = true
		}
		return err
	})
	return slices.DeleteFunc(found, func(e entry) bool { return e.Kind == gateway.Person && !seen[e.ID] }), err
}

// tally counts the events of the subjects.
func (s *Store) tally(ctx context.Context, found []entry) error {
	return s.days.each(ctx, firstDay, lastDay, func(f *dayFile) error {
		person, err := f.db.PrepareContext(ctx, `SELECT count(*), coalesce(min(time_ms), 0), coalesce(max(time_ms), 0) FROM event WHERE subject = ?`)
		if err != nil {
			return err
		}
		defer person.Close()
		machine, err := f.db.PrepareContext(ctx, `SELECT count(*), coalesce(min(time_ms), 0), coalesce(max(time_ms), 0) FROM event WHERE source = ?`)
		if err != nil {
			return err
		}
		defer machine.Close()
		for i := range found {
			stmt, key := person, any(found[i].ID[:])
			if found[i].Kind == gateway.Machine {
				stmt, key = machine, found[i].source
			}
			var count, first, last int64
			if err := stmt.QueryRowContext(ctx, key).Scan(&count, &first, &last); err != nil {
				return err
			}
			found[i].add(count, first, last)
		}
		return nil
	})
}

func (e *entry) add(count, first, last int64) {
	if count == 0 {
		return
	}
	e.Events += count
	if a := fromMS(first); e.First.IsZero() || a.Before(e.First) {
		e.First = a
	}
	if b := fromMS(last); b.After(e.Last) {
		e.Last = b
	}
}
