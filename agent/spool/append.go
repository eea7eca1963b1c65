package spool

import (
	"fmt"
	"slices"
	"time"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

const maxUnsaid = 256

// run is a row of encoded records that belong in segments of one stamp.
type run struct {
	stamp *privacy.Stamp // nil: only gaps, which go into any segment
	buf   []byte
	first uint64
}

// Append takes a copy of c. The record is on disk at the latest one flush
// interval later; a crash before that loses it. While the disk refuses writes
// some records wait in memory; when no more can, Append counts the loss and
// returns ErrFull. A record over 1 MiB is counted too and answered with
// ErrTooLarge.
func (s *Spool) Append(c privacy.Cleared) error {
	stamp := c.Stamp()
	if stamp == nil {
		return ErrUncleared
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if cap(s.scratch) > holdBytes {
		s.scratch = nil
	}
	s.scratch = c.AppendTo(s.scratch[:0])
	return s.appendLocked(stamp, s.scratch)
}

// append is Append for records that no Filter made.
func (s *Spool) append(stamp *privacy.Stamp, rec []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.appendLocked(stamp, rec)
}

func (s *Spool) appendLocked(stamp *privacy.Stamp, rec []byte) error {
	switch {
	case s.closed:
		return ErrClosed
	case len(stamp.Levels) > maxLevels || len(stamp.KeyID) > maxKeyID:
		return fmt.Errorf("%w: its policy is over %d bytes", ErrTooLarge, maxLevels)
	case len(rec) > maxRecord:
		s.lose(Gap{Reason: eventv1.LossReason_LOSS_REASON_TOO_LARGE, Count: 1})
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(rec), maxRecord)
	}
	if err := s.room(len(rec)); err != nil {
		s.lose(Gap{Reason: eventv1.LossReason_LOSS_REASON_DISK, Count: 1})
		return err
	}
	if s.closed { // room may have let go of mu
		return ErrClosed
	}
	s.put(stamp, 0, rec)
	return nil
}

// room makes sure that n more bytes may wait in memory. Mostly they may. When
// nobody flushed in time it flushes itself, and lets go of mu for that; others
// may then take the room, so it tries again.
func (s *Spool) room(n int) error {
	for s.held > 0 && s.held+recordHead+n > s.o.hold && !s.closed {
		// After an error every append would try: the pause keeps that cheap.
		if s.failing != nil && time.Since(s.failedAt) < s.pause {
			return fmt.Errorf("%w: %w", ErrFull, s.failing)
		}
		s.mu.Unlock()
		err := s.Sync()
		s.mu.Lock()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
	}
	return nil
}

// put numbers a record and adds it to what waits for the next flush.
func (s *Spool) put(stamp *privacy.Stamp, flags byte, payload []byte) {
	var r *run
	if n := len(s.pending); n > 0 && sameStamp(s.pending[n-1].stamp, stamp) {
		r = &s.pending[n-1]
		if r.stamp == nil {
			r.stamp = stamp
		}
	} else {
		s.pending = append(s.pending, run{stamp: stamp, buf: s.spare[:0], first: s.next})
		s.spare = nil
		r = &s.pending[len(s.pending)-1]
	}
	before := s.held
	if before == 0 {
		s.firstPending = time.Now()
	}
	r.buf = appendRecord(r.buf, s.seed, flags, s.next, payload)
	s.next++
	s.held += recordHead + len(payload)
	if before == 0 || before < s.o.hold/2 && s.held >= s.o.hold/2 {
		s.kickRun()
	}
}

// sameStamp reports whether records of both may lie in one segment.
func sameStamp(a, b *privacy.Stamp) bool {
	return a == b || a == nil || b == nil || *a == *b
}

// lose counts a loss and remembers it until the next flush gives it a number.
// Losses that fit together become one gap. The caller holds mu.
func (s *Spool) lose(g Gap) {
	s.losses[g.Reason] += g.Count
	s.tell(g)
}

// tell remembers a gap that is counted already.
func (s *Spool) tell(g Gap) {
	if len(s.unsaid) >= maxUnsaid { // better without numbers than not at all
		g.Lost, g.First, g.Last = Epoch{}, 0, 0
	}
	merged := false
	for i := range s.unsaid {
		if merged = s.unsaid[i].merge(g); merged {
			break
		}
	}
	if !merged {
		s.unsaid = append(s.unsaid, g)
	}
	if s.firstPending.IsZero() || s.held == 0 && len(s.unsaid) == 1 {
		s.firstPending = time.Now()
	}
	s.kickRun()
}

// merge adds h to g where one gap can stand for both.
func (g *Gap) merge(h Gap) bool {
	switch {
	case g.Reason != h.Reason || g.Lost != h.Lost || (g.First == 0) != (h.First == 0):
		return false
	case g.First != 0 && h.First == g.Last+1:
		g.Last = h.Last
	case g.First != 0 && h.Last+1 == g.First:
		g.First = h.First
	case g.First != 0:
		return false
	}
	g.Count += h.Count
	return true
}

// say gives the gaps that wait their numbers, and tells the segments that wait
// for one of them. The caller holds mu.
func (s *Spool) say() {
	for _, g := range s.unsaid {
		s.put(nil, flagGap, g.encode())
	}
	s.unsaid = s.unsaid[:0]
	if s.refusedSaid == notSaid {
		s.refusedSaid = s.next - 1
	}
	for _, seg := range s.segments {
		if seg.condemned && seg.said == notSaid {
			seg.said = s.next - 1
		}
	}
}

// ReportLoss records that count events never reached the spool, or 0 where
// nobody knows how many.
func (s *Spool) ReportLoss(reason eventv1.LossReason, count uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.lose(Gap{Reason: reason, Count: count})
	return nil
}

// Losses returns what was lost since this open, a row for each reason in the
// order of their numbers. A count of 0 stands for an unknown number.
func (s *Spool) Losses() []*eventv1.Loss {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := make([]*eventv1.Loss, 0, len(s.losses))
	for reason, n := range s.losses {
		rows = append(rows, &eventv1.Loss{Reason: reason, Count: n})
	}
	slices.SortFunc(rows, func(a, b *eventv1.Loss) int { return int(a.Reason) - int(b.Reason) })
	return rows
}
