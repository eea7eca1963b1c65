package spool

import (
	"fmt"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// maxRefused bounds the refused ranges that wait for an earlier record's ack.
const maxRefused = 1024

// Ack frees everything of e up to and including through. It answers
// ErrAckUnknown, and frees nothing, where Next has not handed that out since
// this open. It may be repeated.
func (s *Spool) Ack(id Epoch, through uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.epoch(id)
	if e == nil || through > max(e.handed, e.freed) {
		return fmt.Errorf("ack through %d: %w", through, ErrAckUnknown)
	}
	if through > e.freed {
		e.free(through)
		s.dirtyCursor()
	}
	return nil
}

// Refuse frees the records first to last, which the gateway will not take, and
// appends a gap for them. Like Ack it knows only what Next has handed out since
// this open. What is freed already is not counted again.
func (s *Spool) Refuse(id Epoch, first, last uint64, reason eventv1.LossReason) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.epoch(id)
	switch {
	case s.closed:
		return ErrClosed
	case e == nil || first == 0 || last < first || last > max(e.handed, e.freed):
		return fmt.Errorf("refuse %d to %d: %w", first, last, ErrAckUnknown)
	}
	parts := e.fresh(first, last)
	if len(e.refused)+len(parts) > maxRefused {
		return fmt.Errorf("refuse %d to %d: more than %d ranges wait for an earlier ack", first, last, maxRefused)
	}
	for _, p := range parts {
		s.lose(Gap{Lost: id, First: p.first, Last: p.last, Count: p.last - p.first + 1, Reason: reason})
		e.refuse(p)
		s.refusedSaid = notSaid
		s.dirtyCursor()
	}
	return nil
}

// epoch returns the state of an epoch; nil: there is none. The caller holds mu.
func (s *Spool) epoch(id Epoch) *epochState {
	for i := len(s.epochs) - 1; i >= 0; i-- {
		if s.epochs[i].id == id {
			return s.epochs[i]
		}
	}
	return nil
}

// dirtyCursor remembers that the disk does not know what was freed. The caller
// holds mu.
func (s *Spool) dirtyCursor() {
	if s.cursorDirty.IsZero() {
		s.cursorDirty = time.Now()
		s.kickRun()
	} else if s.finished() {
		s.kickRun()
	}
}

// finished reports whether there is a segment that can go. The caller holds mu.
func (s *Spool) finished() bool {
	for _, seg := range s.segments {
		if s.done(seg) {
			return true
		}
	}
	return false
}

// done reports whether nothing of the segment is wanted any more. The caller
// holds mu.
func (s *Spool) done(seg *segment) bool {
	return seg.sealed && seg.known && seg.last <= seg.epoch.freed &&
		(!seg.condemned || seg.said <= s.durable)
}

// reclaim writes down what was freed, when it is time, and then removes the
// segments that nobody needs. The caller holds flushMu.
func (s *Spool) reclaim(force bool) error {
	s.mu.Lock()
	var done []*segment
	for _, seg := range s.segments {
		if s.done(seg) {
			done = append(done, seg)
		}
	}
	s.stuck = time.Time{}
	dirty := !s.cursorDirty.IsZero()
	due := dirty && (force || len(done) > 0 || time.Since(s.cursorDirty) >= cursorInterval)
	// The disk must not forget a refused record before it knows the gap.
	due = due && s.refusedSaid <= s.durable
	if dirty && !due {
		done = nil
	}
	var list []position
	if due {
		list = s.positions()
	}
	s.mu.Unlock()
	if due {
		if err := s.saveCursor(list); err != nil {
			return err
		}
	}
	gone := false
	for _, seg := range done {
		gone = s.remove(seg) || gone
	}
	if gone {
		// The cursor may forget an epoch only once its files cannot come back.
		return s.syncDir()
	}
	return nil
}

// relieve removes the condemned segments before their gaps are durable. The disk
// is full: there is no other way to write the gaps.
func (s *Spool) relieve() {
	s.mu.Lock()
	var condemned []*segment
	for _, seg := range s.segments {
		if seg.condemned {
			condemned = append(condemned, seg)
		}
	}
	s.mu.Unlock()
	for _, seg := range condemned {
		s.remove(seg)
	}
}
