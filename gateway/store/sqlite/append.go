package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// maxSeq is the greatest record number that SQLite can hold.
const maxSeq = math.MaxInt64

var errNumbers = errors.New("record numbers are out of range")

// Append stores a run of events. The events of one day are one transaction; a
// crash between two days is healed when the run is sent again.
func (s *Store) Append(ctx context.Context, dev gateway.Device, epoch gateway.Epoch, first uint64, events []*eventv1.Event) error {
	if len(events) == 0 {
		return nil
	}
	if first == 0 || first > maxSeq-uint64(len(events)) {
		return fmt.Errorf("append: %w", errNumbers)
	}
	now := s.opts.Now()
	recs := make([]record, 0, len(events))
	odd := false
	for i, ev := range events {
		r, err := s.shapes.take(first+uint64(i), ev)
		if err != nil {
			return fmt.Errorf("append record %d of %d: %w", i+1, len(events), err)
		}
		odd = r.place(now) || odd
		recs = append(recs, r)
	}
	done, err := s.share(ctx)
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	defer done()
	if err := s.append(ctx, dev, epoch, recs, odd); err != nil {
		return fmt.Errorf("append %d events: %w", len(events), err)
	}
	return nil
}

// place decides under which day the record is filed. That is the day of the
// event's own time, so that a record that comes again meets its number; but a
// time of more than a day ahead, or of more than ten years ago, is that of a
// broken clock, and would make files without end or be taken for expired. Such a
// record is filed under the time of its receipt, and place reports true.
func (r *record) place(now time.Time) bool {
	odd := r.timeMS < 0 || r.timeMS > now.AddDate(0, 0, 1).UnixMilli() || r.timeMS < now.AddDate(-10, 0, 0).UnixMilli()
	if odd {
		r.timeMS = now.UnixMilli()
	}
	r.day = dayOf(r.timeMS)
	return odd
}

// append stores what is new of recs. The caller shares the store.
func (s *Store) append(ctx context.Context, dev gateway.Device, epoch gateway.Epoch, recs []record, odd bool) error {
	st, err := s.stream(ctx, dev, epoch)
	if err != nil {
		return err
	}
	st.odd = st.odd || odd
	known, err := s.knownTo(ctx, st, recs)
	if err != nil {
		return err
	}
	var expired []span
	byDay := map[day][]record{}
	fresh := recs[:0:0]
	for _, r := range recs {
		switch {
		case known.has(r.seq):
			continue
		case r.day < st.floor:
			expired = append(expired, span{r.seq, r.seq})
		default:
			if st.anonymous {
				if r, err = s.shapes.hideMachine(r); err != nil {
					return err
				}
			}
			byDay[r.day] = append(byDay[r.day], r)
		}
		fresh = append(fresh, r)
	}
	skipped := int64(len(recs) - len(fresh))
	if len(fresh) > 0 {
		ids, err := s.settle(ctx, &st, dev, epoch, byDay, union(expired))
		if err != nil {
			return err
		}
		for _, n := range daysOf(byDay) {
			again, err := s.commitDay(ctx, n, st, byDay[n], ids)
			if err != nil {
				return err
			}
			skipped += again
		}
	}
	return s.countSkipped(ctx, skipped)
}

func daysOf(byDay map[day][]record) []day {
	out := make([]day, 0, len(byDay))
	for n := range byDay {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// knownTo returns the numbers among recs that were taken before: those of the
// days to which recs belong, and of all days of an epoch that once had a broken
// clock.
func (s *Store) knownTo(ctx context.Context, st stream, recs []record) (spans, error) {
	if st.epoch == 0 {
		return nil, nil
	}
	lo, hi := recs[0].seq, recs[len(recs)-1].seq
	known, err := readSpans(ctx, s.meta, ackedTable, st.epoch, lo, hi)
	if err != nil {
		return nil, err
	}
	add := func(f *dayFile) error {
		more, err := readSpans(ctx, f.db, ackedTable, st.epoch, lo, hi)
		known = append(known, more...)
		return err
	}
	if st.odd {
		err := s.days.each(ctx, st.first, st.last, add)
		return union(known), err
	}
	seen := map[day]bool{}
	for _, r := range recs {
		if seen[r.day] || r.day < st.first || r.day > st.last {
			continue
		}
		seen[r.day] = true
		if err := s.days.with(ctx, r.day, add); err != nil && !errors.Is(err, errGone) {
			return nil, err
		}
	}
	return union(known), nil
}

// commitDay writes the records of one day and their numbers as one. It returns
// how many another call had written meanwhile.
func (s *Store) commitDay(ctx context.Context, n day, st stream, recs []record, ids map[names]gateway.SubjectID) (skipped int64, err error) {
	f, err := s.days.get(ctx, n, true)
	if err != nil {
		return 0, err
	}
	defer s.days.put(f)
	f.writing.Lock()
	defer f.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	// From here it is a short way: a caller who leaves must not leave it half done.
	ctx = context.WithoutCancel(ctx)
	err = inTx(ctx, f.db, func(tx *sql.Tx) error {
		known, err := readSpans(ctx, tx, ackedTable, st.epoch, recs[0].seq, recs[len(recs)-1].seq)
		if err != nil {
			return err
		}
		insert := tx.StmtContext(ctx, f.insert)
		var added []span
		for _, r := range recs {
			if spans(known).has(r.seq) {
				skipped++
				continue
			}
			var subject any // NULL: nobody
			if r.who != (names{}) {
				id := ids[r.who]
				subject = id[:]
			}
			if _, err := insert.ExecContext(ctx, st.source, st.epoch, int64(r.seq), int64(r.kind), r.timeMS, subject, r.body); err != nil {
				return err
			}
			added = append(added, span{r.seq, r.seq})
		}
		return addSpans(ctx, tx, ackedTable, st.epoch, union(added))
	})
	return skipped, err
}

// countSkipped notes how many records came again.
func (s *Store) countSkipped(ctx context.Context, n int64) error {
	if n == 0 {
		return nil
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE figure SET value = value + ? WHERE name = 'skipped'`, n)
		return err
	})
}

// AppendGap stores a gap under its own number. The numbers that it gives up
// count as complete, but are taken all the same if they come after all.
func (s *Store) AppendGap(ctx context.Context, dev gateway.Device, gap gateway.Gap) error {
	if gap.Seq == 0 || gap.Seq >= maxSeq || gap.Last >= maxSeq || gap.First > gap.Last || gap.Count > maxSeq || (gap.First == 0 && gap.Last != 0) {
		return fmt.Errorf("append gap: %w", errNumbers)
	}
	done, err := s.share(ctx)
	if err != nil {
		return fmt.Errorf("append gap: %w", err)
	}
	defer done()
	st, err := s.stream(ctx, dev, gap.Epoch)
	if err != nil {
		return fmt.Errorf("append gap: %w", err)
	}
	known, err := s.allSpans(ctx, st, gap.Seq, gap.Seq, false)
	if err == nil && known.has(gap.Seq) {
		return s.countSkipped(ctx, 1)
	}
	if err == nil {
		err = s.write(ctx, func(tx *sql.Tx) error { return s.putGap(ctx, tx, dev, gap) })
	}
	if err != nil {
		return fmt.Errorf("append gap: %w", err)
	}
	return nil
}

func (s *Store) putGap(ctx context.Context, tx *sql.Tx, dev gateway.Device, gap gateway.Gap) error {
	today := dayOf(s.opts.Now().UnixMilli())
	source, err := ensureDevice(ctx, tx, dev)
	if err != nil {
		return err
	}
	epoch, err := ensureEpoch(ctx, tx, source, gap.Epoch, today, today, false)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT OR IGNORE INTO gap(epoch, seq, source, lost, first, last, count, reason) VALUES(?,?,?,?,?,?,?,?)`,
		epoch, int64(gap.Seq), source, gap.Lost[:], int64(gap.First), int64(gap.Last), int64(gap.Count), int64(gap.Reason))
	if err != nil {
		return err
	}
	if err := addSpans(ctx, tx, ackedTable, epoch, spans{{gap.Seq, gap.Seq}}); err != nil || gap.First == 0 {
		return err
	}
	if epoch, err = ensureEpoch(ctx, tx, source, gap.Lost, today, today, false); err != nil {
		return err
	}
	return addSpans(ctx, tx, lostTable, epoch, spans{{gap.First, gap.Last}})
}
