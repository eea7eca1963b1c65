package spool

import (
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// sane is before any segment was written. A laptop whose clock battery is dead
// begins its day in 1970: what it writes then has no age.
var sane = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// limit returns how many bytes the files may take now.
func (s *Spool) limit() int64 {
	if s.o.MinFree > 0 {
		free, err := s.dir.Free()
		if err == nil && free < s.o.MinFree {
			return min(s.o.MaxBytes, 2*s.o.SegmentBytes)
		}
	}
	return s.o.MaxBytes
}

// makeRoom condemns the oldest segments until need more bytes fit. The segment
// that is written stays, and so do the files, until their gap is durable. The
// caller holds flushMu.
func (s *Spool) makeRoom(need int64) {
	limit := s.limit() - int64(s.o.hold)
	for {
		seg := s.surplus(need, limit)
		if seg == nil {
			return
		}
		s.condemn(seg, eventv1.LossReason_LOSS_REASON_SPOOL_FULL)
	}
}

// surplus returns the oldest segment that has to go; nil: none has.
func (s *Spool) surplus(need, limit int64) *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest *segment
	var last *epochState
	epochs, total := 1, s.badBytes+need
	for _, seg := range s.segments {
		if seg.condemned {
			continue
		}
		total += seg.size
		if seg.epoch != last {
			last = seg.epoch
			epochs++
		}
		if oldest == nil && seg.sealed {
			oldest = seg
		}
	}
	if total <= limit && epochs <= maxEpochs {
		return nil
	}
	return oldest
}

// condemn gives up the records of a segment. It counts the gap, and takes the
// gaps over that the segment holds: no loss is forgotten with it. The caller
// holds flushMu.
func (s *Spool) condemn(seg *segment, reason eventv1.LossReason) {
	gaps, last, err := s.census(seg)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !seg.known {
		seg.last, seg.known = max(last, seg.head.first-1), true
	}
	seg.condemned, seg.said = true, notSaid
	if err != nil { // what it held of gaps, and maybe of records, is not known
		s.lose(Gap{Reason: eventv1.LossReason_LOSS_REASON_DAMAGE})
	}
	e := seg.epoch
	parts := e.fresh(seg.head.first, seg.last)
	lost := Gap{Lost: e.id, Reason: reason}
	for _, p := range parts {
		if lost.First == 0 {
			lost.First = p.first
		}
		lost.Last = p.last
		lost.Count += p.last - p.first + 1
		for _, g := range gaps {
			if p.first <= g.seq && g.seq <= p.last {
				lost.Count -= min(g.through(e.id, g.seq), p.last) - g.seq + 1
				s.tell(g.Gap)
			}
		}
	}
	if len(parts) > 0 { // with count 0 where all of it were gaps: their numbers will not come
		s.lose(lost)
	}
	if seg.last > e.freed {
		e.free(seg.last)
		s.dirtyCursor()
	}
}

// numbered is a gap with its own number.
type numbered struct {
	Gap
	seq uint64
}

// census returns the gaps in a segment and its highest number.
func (s *Spool) census(seg *segment) (gaps []numbered, last uint64, err error) {
	f, err := s.dir.Open(seg.name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	sc := seg.scanner(f)
	for {
		r, ok, e := sc.next()
		if e != nil {
			err, sc.patch = e, true
			continue
		}
		if !ok {
			return gaps, last, err
		}
		switch r.flags {
		case flagEnd:
			last = max(last, r.seq-1)
		case flagGap:
			gaps = append(gaps, numbered{decodeGap(r.payload), r.seq})
			fallthrough
		default:
			last = max(last, r.last(seg.head.epoch))
		}
		sc.take(r)
	}
}

// scanner returns a scanner over the segment's records in f.
func (seg *segment) scanner(f File) scanner {
	return scanner{f: f, seed: epochSeed(seg.head.epoch), first: seg.head.first, off: seg.data, limit: seg.end}
}

// segmentAge returns how old a segment may grow while it is written.
func (s *Spool) segmentAge() time.Duration {
	if s.o.MaxAge <= 0 {
		return maxSegmentAge
	}
	return min(maxSegmentAge, s.o.MaxAge/4)
}

// expires returns when the segment is too old; false: never.
func (s *Spool) expires(seg *segment) (time.Time, bool) {
	if s.o.MaxAge <= 0 || seg.condemned || seg.head.created.Before(sane) {
		return time.Time{}, false
	}
	return seg.head.created.Add(s.o.MaxAge), true
}

// ageLeft returns how long it is until a segment is too old; false: there is
// none. The caller holds mu.
func (s *Spool) ageLeft() (time.Duration, bool) {
	var left time.Duration
	found := false
	now := s.o.Now()
	for _, seg := range s.segments {
		if at, ok := s.expires(seg); ok && (!found || at.Sub(now) < left) {
			left, found = at.Sub(now), true
		}
	}
	return max(left, 0), found
}

// expire condemns the segments that are too old. The caller holds flushMu.
func (s *Spool) expire() {
	now := s.o.Now()
	var old []*segment
	s.mu.Lock()
	for _, seg := range s.segments {
		if at, ok := s.expires(seg); ok && !at.After(now) {
			old = append(old, seg)
		}
	}
	s.mu.Unlock()
	for _, seg := range old {
		if s.active != nil && s.active.segment == seg {
			s.active.f.Close()
			s.active = nil
			s.mu.Lock()
			seg.sealed = true
			s.mu.Unlock()
		}
		s.condemn(seg, eventv1.LossReason_LOSS_REASON_TOO_OLD)
	}
}
