package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/discreet-agent/discreet/gateway"
)

// pageRows is how many rows are read at once. Between two pages no file is
// held: a slow reader must not keep an erasure from cleaning up.
const pageRows = 256

// row is an event as a day file holds it.
type row struct {
	at      place
	subject gateway.SubjectID // zero: nobody
	body    []byte
}

// place is where a row stands in its day.
type place struct{ timeMS, source, epoch, seq int64 }

// The three ways through a day. Each follows an index, from the place in ?1 to
// ?4 (not in it) on.
const (
	rowColumns = `SELECT time_ms, source, epoch, seq, subject, body FROM event `
	byTime     = rowColumns + `WHERE (time_ms, source, epoch, seq) > (?1, ?2, ?3, ?4)
		ORDER BY time_ms, source, epoch, seq LIMIT ?5`
	byPerson = rowColumns + `WHERE subject = ?6 AND (time_ms, source, epoch, seq) > (?1, ?2, ?3, ?4)
		ORDER BY time_ms, source, epoch, seq LIMIT ?5`
	byMachine = rowColumns + `WHERE source = ?6 AND (epoch, seq) > (?3, ?4) AND ?1 = ?1 AND ?2 = ?2
		ORDER BY epoch, seq LIMIT ?5`
)

func scanRow(rows *sql.Rows) (r row, err error) {
	var subject []byte
	err = rows.Scan(&r.at.timeMS, &r.at.source, &r.at.epoch, &r.at.seq, &subject, &r.body)
	copy(r.subject[:], subject)
	return r, err
}

// known is what meta.db says of the rows of one page.
type known struct {
	people   map[gateway.SubjectID]owner
	machines map[int64]owner
	epochs   map[int64]gateway.Epoch
}

// owner is a subject as rows need it.
type owner struct {
	who        names
	device     gateway.Device // of a machine
	restricted bool
}

// lookUp asks meta.db about a page. It is asked anew for each page, so that no
// name outlives its erasure here.
func (s *Store) lookUp(ctx context.Context, page []row) (known, error) {
	k := known{map[gateway.SubjectID]owner{}, map[int64]owner{}, map[int64]gateway.Epoch{}}
	for _, r := range page {
		if r.subject != (gateway.SubjectID{}) {
			k.people[r.subject] = owner{}
		}
		k.machines[r.at.source], k.epochs[r.at.epoch] = owner{}, gateway.Epoch{}
	}
	people, sources, epochs := hexList(keys(k.people)), intList(keys(k.machines)), intList(keys(k.epochs))
	clear(k.people)
	clear(k.machines)
	_, err := collect(ctx, s.meta, func(rows *sql.Rows) (_ struct{}, err error) {
		var raw []byte
		var id gateway.SubjectID
		var o owner
		err = rows.Scan(&raw, &o.who.name, &o.who.upn, &o.who.sid, &o.restricted)
		copy(id[:], raw)
		k.people[id] = o
		return struct{}{}, err
	}, `SELECT id, name, upn, sid, restricted FROM subject WHERE id IN (SELECT unhex(value) FROM json_each(?))`, people)
	if err != nil {
		return k, err
	}
	_, err = collect(ctx, s.meta, func(rows *sql.Rows) (_ struct{}, err error) {
		var source int64
		var o owner
		err = rows.Scan(&source, &o.device, &o.who.name, &o.restricted)
		k.machines[source] = o
		return struct{}{}, err
	}, `SELECT d.source, d.id, s.name, s.restricted FROM device d JOIN subject s ON s.source = d.source AND s.kind = 2
		WHERE d.source IN (SELECT value FROM json_each(?))`, sources)
	if err != nil {
		return k, err
	}
	_, err = collect(ctx, s.meta, func(rows *sql.Rows) (_ struct{}, err error) {
		var idx int64
		var raw []byte
		err = rows.Scan(&idx, &raw)
		var e gateway.Epoch
		copy(e[:], raw)
		k.epochs[idx] = e
		return struct{}{}, err
	}, `SELECT idx, epoch FROM epoch WHERE idx IN (SELECT value FROM json_each(?))`, epochs)
	return k, err
}

func keys[K comparable, V any](m map[K]V) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

// hexList and intList write lists for json_each.
func hexList(ids []gateway.SubjectID) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = hex.EncodeToString(id[:])
	}
	b, _ := json.Marshal(out) // strings never fail
	return string(b)
}

func intList(ids []int64) string {
	b, _ := json.Marshal(append([]int64{}, ids...)) // numbers never fail
	return string(b)
}

// stored puts a row together again. It reports false where its subject or its
// device was erased while it was read.
func (s *Store) stored(r row, k known) (gateway.Stored, owner, bool, error) {
	machine, ok := k.machines[r.at.source]
	if !ok {
		return gateway.Stored{}, owner{}, false, nil
	}
	var who owner
	if r.subject != (gateway.SubjectID{}) {
		if who, ok = k.people[r.subject]; !ok {
			return gateway.Stored{}, owner{}, false, nil
		}
	}
	ev, err := s.shapes.restore(r.body, who.who, machine.who.name)
	who.restricted = who.restricted || machine.restricted
	return gateway.Stored{Device: machine.device, Epoch: k.epochs[r.at.epoch], Seq: uint64(r.at.seq), Event: ev}, who, true, err
}

// walk passes the rows of one day to f, page by page, from after on. It stops
// with stopped where f wants no more.
func (s *Store) walk(ctx context.Context, n day, after place, query string, key any, f func(row, known) bool) error {
	for {
		var page []row
		err := s.days.with(ctx, n, func(d *dayFile) (err error) {
			args := []any{after.timeMS, after.source, after.epoch, after.seq, pageRows}
			if key != nil {
				args = append(args, key)
			}
			page, err = collect(ctx, d.db, scanRow, query, args...)
			return err
		})
		if errors.Is(err, errGone) || err == nil && len(page) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read day: %w", err)
		}
		k, err := s.lookUp(ctx, page)
		if err != nil {
			return fmt.Errorf("read day: %w", err)
		}
		for _, r := range page {
			if !f(r, k) {
				return errStopped
			}
		}
		if after = page[len(page)-1].at; len(page) < pageRows {
			return nil
		}
	}
}

// errStopped says that the caller wants no more rows.
var errStopped = errors.New("stopped")

// beforeAll is a place before every row.
var beforeAll = place{timeMS: -1 << 62}

// Retrieve yields the events of the subjects: those that name a person, and all
// that a machine sent. Restricted subjects are no exception: the right to
// see one's data stays.
func (s *Store) Retrieve(ctx context.Context, ids []gateway.SubjectID) iter.Seq2[gateway.Stored, error] {
	return func(yield func(gateway.Stored, error) bool) {
		if err := s.retrieve(ctx, ids, yield); err != nil && !errors.Is(err, errStopped) {
			yield(gateway.Stored{}, fmt.Errorf("retrieve: %w", err))
		}
	}
}

func (s *Store) retrieve(ctx context.Context, ids []gateway.SubjectID, yield func(gateway.Stored, error) bool) error {
	picked, err := s.pick(ctx, ids)
	if err != nil {
		return err
	}
	list, err := s.days.list()
	if err != nil {
		return err
	}
	give := func(r row, k known) bool {
		st, _, ok, err := s.stored(r, k)
		return !ok && err == nil || yield(st, err) && err == nil
	}
	for _, n := range list {
		for _, source := range picked.machines {
			if err := s.walk(ctx, n, place{}, byMachine, source, give); err != nil {
				return err
			}
		}
		for _, id := range picked.people {
			err := s.walk(ctx, n, beforeAll, byPerson, id[:], func(r row, k known) bool {
				// The machine's turn has shown it already.
				return slices.Contains(picked.machines, r.at.source) || give(r, k)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// picked are subjects that are there, by their kind.
type picked struct {
	people   []gateway.SubjectID
	machines []int64 // sources
}

// pick looks ids up, each once. Those that are not there are left out.
func (s *Store) pick(ctx context.Context, ids []gateway.SubjectID) (p picked, err error) {
	_, err = collect(ctx, s.meta, func(rows *sql.Rows) (_ struct{}, err error) {
		var raw []byte
		var id gateway.SubjectID
		var source sql.NullInt64
		err = rows.Scan(&raw, &source)
		copy(id[:], raw)
		if source.Valid {
			p.machines = append(p.machines, source.Int64)
		} else {
			p.people = append(p.people, id)
		}
		return struct{}{}, err
	}, `SELECT id, source FROM subject WHERE id IN (SELECT unhex(value) FROM json_each(?)) ORDER BY id`, hexList(ids))
	if err != nil {
		err = fmt.Errorf("look up subjects: %w", err)
	}
	return p, err
}

// Events yields the newest n events that no restriction covers.
func (s *Store) Events(ctx context.Context, n int) iter.Seq2[gateway.Stored, error] {
	return func(yield func(gateway.Stored, error) bool) {
		if err := s.events(ctx, n, yield); err != nil && !errors.Is(err, errStopped) {
			yield(gateway.Stored{}, fmt.Errorf("events: %w", err))
		}
	}
}

func (s *Store) events(ctx context.Context, n int, yield func(gateway.Stored, error) bool) error {
	list, err := s.days.list()
	if err != nil {
		return err
	}
	from := beforeAll
	if n > 0 {
		if list, from, err = s.newest(ctx, list, n); err != nil {
			return err
		}
	}
	for _, d := range list {
		err := s.walk(ctx, d, from, byTime, nil, func(r row, k known) bool {
			st, who, ok, err := s.stored(r, k)
			if err == nil && (!ok || who.restricted) {
				return true
			}
			return yield(st, err) && err == nil
		})
		if err != nil {
			return err
		}
		from = beforeAll
	}
	return nil
}

// newest returns the days that hold the newest n events, and the place in the
// first of them after which those begin.
func (s *Store) newest(ctx context.Context, list []day, n int) ([]day, place, error) {
	hidden, err := s.hidden(ctx)
	if err != nil {
		return nil, place{}, err
	}
	const shown = ` FROM event WHERE (subject IS NULL OR subject NOT IN (SELECT unhex(value) FROM json_each(?1)))
		AND source NOT IN (SELECT value FROM json_each(?2)) `
	people, sources := hexList(hidden.people), intList(hidden.machines)
	for i := len(list) - 1; i >= 0; i-- {
		var count int
		from := beforeAll
		err := s.days.with(ctx, list[i], func(d *dayFile) error {
			err := d.db.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1`+shown+`LIMIT ?3)`, people, sources, n+1).Scan(&count)
			if err != nil || count <= n {
				return err
			}
			return d.db.QueryRowContext(ctx, `SELECT time_ms, source, epoch, seq`+shown+
				`ORDER BY time_ms DESC, source DESC, epoch DESC, seq DESC LIMIT 1 OFFSET ?3`, people, sources, n).
				Scan(&from.timeMS, &from.source, &from.epoch, &from.seq)
		})
		if err != nil && !errors.Is(err, errGone) {
			return nil, place{}, err
		}
		if n -= count; n <= 0 {
			return list[i:], from, nil
		}
	}
	return list, beforeAll, nil
}

// hidden returns the restricted subjects.
func (s *Store) hidden(ctx context.Context) (picked, error) {
	ids, err := collect(ctx, s.meta, scanID, `SELECT id FROM subject WHERE restricted = 1`)
	if err != nil {
		return picked{}, err
	}
	return s.pick(ctx, ids)
}

func scanID(rows *sql.Rows) (id gateway.SubjectID, err error) {
	var raw []byte
	err = rows.Scan(&raw)
	copy(id[:], raw)
	return id, err
}
