package spool

import (
	"context"
	"fmt"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// A segment may fail to be read this often, and for this long, before its
// unreadable parts count as damage: a virus scanner lets go of a file in time.
const (
	maxReadErrs  = 3
	readPatience = time.Minute
)

// reader is where Next is. The spool's readMu guards it.
type reader struct {
	seg   *segment // nil: before the first
	place int      // of seg, also when it is gone
	f     File
	sc    scanner
	want  uint64 // the number that comes next in seg's epoch
}

func (rd *reader) close() {
	if rd.f != nil {
		rd.f.Close()
		rd.f = nil
	}
	rd.seg, rd.sc = nil, scanner{}
}

// Rewind lets the next Next begin at the first unacked item again.
func (s *Spool) Rewind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rewind = true
	s.wakeNext()
}

// Next returns the next records to send, or a gap, and waits until there are
// some. All of them are on disk. They are a run without a hole, of one epoch and
// one stamp, with at most maxRecords records and maxBytes bytes, but one record
// at least. An error other than that of ctx or ErrClosed is one of the disk; it
// may pass.
func (s *Spool) Next(ctx context.Context, maxRecords, maxBytes int) (Item, error) {
	for {
		s.mu.Lock()
		closed, wake := s.closed, s.wake
		s.mu.Unlock()
		if closed {
			return Item{}, ErrClosed
		}
		item, ok, err := s.tryNext(maxRecords, maxBytes)
		if ok || err != nil {
			return item, err
		}
		select {
		case <-ctx.Done():
			return Item{}, ctx.Err()
		case <-wake:
		}
	}
}

// tryNext is Next without the waiting.
func (s *Spool) tryNext(maxRecords, maxBytes int) (Item, bool, error) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	for {
		if ok, err := s.seek(); !ok || err != nil {
			return Item{}, false, err
		}
		item, ok, err := s.fill(max(maxRecords, 1), maxBytes)
		if err != nil {
			return Item{}, false, s.readFailed(err)
		}
		if ok {
			return item, true, nil
		}
	}
}

// seek moves the reader to a segment in which something is unread. It is false
// when all is read.
func (s *Spool) seek() (bool, error) {
	rd := &s.rd
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rewind {
		rd.close()
		rd.place, s.rewind = 0, false
	}
	if rd.seg != nil {
		rd.sc.limit = rd.seg.end
		if rd.sc.off < rd.sc.limit && !rd.seg.condemned {
			return true, nil
		}
		if !rd.seg.sealed {
			return false, nil
		}
		s.finish(rd)
	}
	var seg *segment
	for _, next := range s.segments {
		if next.place > rd.place && next.wanted() && next.end > next.data {
			seg = next
			break
		}
	}
	if seg == nil {
		return false, nil
	}
	f, err := s.dir.Open(seg.name)
	if err != nil {
		if !s.giveUp(seg) {
			return false, fmt.Errorf("read spool: %w", err)
		}
		// It is given up: what it held shows as a hole, if anything follows.
		s.lose(Gap{Reason: eventv1.LossReason_LOSS_REASON_DAMAGE})
		rd.place = seg.place
		s.wakeNext()
		return false, nil
	}
	return s.enter(seg, f), nil
}

// enter makes seg the reader's segment.
func (s *Spool) enter(seg *segment, f File) bool {
	rd := &s.rd
	sameEpoch := rd.seg != nil && rd.seg.epoch == seg.epoch
	window := rd.sc.window
	want := rd.want
	rd.close()
	rd.seg, rd.place, rd.f, rd.sc = seg, seg.place, f, seg.scanner(f)
	rd.sc.window, rd.sc.base = window[:0], 0
	rd.sc.patch = seg.givenUp
	rd.want = seg.epoch.freed + 1
	switch {
	case sameEpoch:
		rd.want = max(want, rd.want)
	case !seg.epoch.hole(rd.want):
		// Files from before the first one are acked and gone.
		rd.want = max(rd.want, seg.head.first)
	}
	return true
}

// hole reports whether damage was found at n.
func (e *epochState) hole(n uint64) bool {
	for _, h := range e.holes {
		if h.first <= n && n <= h.last {
			return true
		}
	}
	return false
}

// finish takes note of how far a segment went that is read to its end.
func (s *Spool) finish(rd *reader) {
	seg := rd.seg
	if !seg.known && !seg.condemned {
		seg.last, seg.known = max(rd.want, 1)-1, true
		seg.epoch.last = max(seg.epoch.last, seg.last)
		if s.done(seg) {
			s.dirtyCursor()
		}
	}
}

// fill reads an item from the reader's segment. It is false where the rest of
// the segment holds none.
func (s *Spool) fill(maxRecords, maxBytes int) (Item, bool, error) {
	rd := &s.rd
	e := rd.seg.epoch
	s.mu.Lock()
	rd.want = e.skip(rd.want)
	e = &epochState{id: e.id, freed: e.freed, refused: e.refused}
	if len(e.refused) > 0 {
		e.refused = append([]span(nil), e.refused...)
	}
	s.mu.Unlock()
	if rd.want < rd.seg.head.first {
		return s.damage(e, rd.seg.head.first)
	}
	item := Item{Epoch: e.id, Stamp: rd.seg.head.stamp}
	var arena []byte
	for n := 0; len(item.Records) < maxRecords; {
		r, ok, err := rd.sc.next()
		have := len(item.Records) > 0
		switch {
		case err != nil && have: // it comes again, when these are away
			return s.handOut(item)
		case err != nil:
			return Item{}, false, err
		case !ok:
			return s.handOut(item)
		case r.last(e.id) < rd.want: // again, from a segment that failed
			rd.sc.take(r)
			continue
		case e.skip(rd.want) != rd.want || r.seq != rd.want || r.flags != 0:
			if have {
				return s.handOut(item)
			}
			if again, item, ok := s.special(e, r); !again {
				return item, ok, nil
			}
			continue
		case have && n+len(r.payload) > maxBytes:
			return s.handOut(item)
		}
		if !have {
			item.First = rd.want
		}
		n += len(r.payload)
		arena = keep(arena, r.payload, maxBytes)
		item.Records = append(item.Records, arena[len(arena)-len(r.payload):len(arena):len(arena)])
		rd.sc.take(r)
		rd.want++
	}
	return s.handOut(item)
}

// keep appends b to the arena, or to a new one where it does not fit: earlier
// records point into the old one.
func keep(arena, b []byte, size int) []byte {
	if cap(arena)-len(arena) < len(b) {
		arena = make([]byte, 0, max(len(b), min(size, 16<<10)))
	}
	return append(arena, b...)
}

// special deals with a record that is not the next event: a refused one, one
// after a hole, a gap, an end. again asks to go on reading.
func (s *Spool) special(e *epochState, r record) (again bool, item Item, ok bool) {
	rd := &s.rd
	switch {
	case e.skip(rd.want) != rd.want:
		rd.want = e.skip(rd.want)
		return true, item, false
	case r.seq > rd.want:
		item, ok, _ = s.damage(e, r.seq)
		return false, item, ok
	case r.last(e.id) > r.seq:
		// It is taken when all that it stands for is.
		item, ok, _ = s.missing(e, r.last(e.id), decodeGap(r.payload).Reason)
		return false, item, ok
	case r.flags == flagEnd:
		rd.sc.take(r)
		return true, item, false
	}
	gap := decodeGap(r.payload)
	rd.sc.take(r)
	rd.want++
	item, ok, _ = s.handOut(Item{Epoch: e.id, First: r.seq, Stamp: rd.seg.head.stamp, Gap: &gap})
	return false, item, ok
}

// damage returns a gap in place of the numbers from want up to before next.
func (s *Spool) damage(view *epochState, next uint64) (Item, bool, error) {
	const reason = eventv1.LossReason_LOSS_REASON_DAMAGE
	first, last := s.rd.want, view.until(s.rd.want, next-1)
	s.mu.Lock()
	if e := s.rd.seg.epoch; last > e.damaged {
		s.losses[reason] += last - max(e.damaged, first-1)
		e.damaged = last
	}
	s.mu.Unlock()
	return s.missing(view, last, reason)
}

// missing returns a gap in place of the numbers from want up to last.
func (s *Spool) missing(view *epochState, last uint64, reason eventv1.LossReason) (Item, bool, error) {
	rd := &s.rd
	first := rd.want
	last = view.until(first, last)
	s.mu.Lock()
	if e := rd.seg.epoch; !e.hole(first) {
		e.holes = append(e.holes, span{first, last})
	}
	s.mu.Unlock()
	gap := &Gap{Lost: view.id, First: first, Last: last, Count: last - first + 1, Reason: reason}
	return s.handOut(Item{Epoch: view.id, First: first, Stamp: rd.seg.head.stamp, Gap: gap})
}

// handOut remembers what is returned, so that it can be acknowledged. An item
// with nothing in it is none.
func (s *Spool) handOut(item Item) (Item, bool, error) {
	last := item.First + uint64(len(item.Records)) - 1
	if item.Gap != nil {
		last = max(item.First, s.rd.want-1)
		if item.Gap.Lost == item.Epoch && item.Gap.First == item.First {
			last = item.Gap.Last
		}
		s.rd.want = last + 1
	} else if len(item.Records) == 0 {
		return Item{}, false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.rd.seg.epoch
	e.handed = max(e.handed, last)
	s.rd.seg.readErrs = 0
	return item, true, nil
}

// giveUp counts a failure to read the segment, and reports whether it was one too
// many. The caller holds mu.
func (s *Spool) giveUp(seg *segment) bool {
	if seg.readErrs == 0 {
		seg.errSince = time.Now()
	}
	seg.readErrs++
	if seg.readErrs >= maxReadErrs && time.Since(seg.errSince) >= s.o.patience {
		seg.givenUp = true
	}
	return seg.givenUp
}

// readFailed counts a failed read. After some the unreadable parts are skipped.
func (s *Spool) readFailed(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rd.sc.patch = s.giveUp(s.rd.seg)
	return fmt.Errorf("read spool: %w", err)
}
