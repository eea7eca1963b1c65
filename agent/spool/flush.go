package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const maxPause = time.Minute

// Run flushes what Append leaves in memory, one Flush interval after the first
// new record or when 256 KiB are new, writes down what was acknowledged, and
// drops what is too old. While nothing is new it sleeps. It returns when ctx is
// done, after a last Sync.
func (s *Spool) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var alarm <-chan time.Time
		if at := s.due(); !at.IsZero() {
			timer.Reset(time.Until(at))
			alarm = timer.C
		}
		select {
		case <-ctx.Done():
			if err := s.Sync(); err != nil && !errors.Is(err, ErrClosed) {
				return err
			}
			return nil
		case <-s.kick:
		case <-alarm:
			s.tick()
		}
	}
}

// due returns when Run has something to do next; zero: when something is new.
func (s *Spool) due() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	var at time.Time
	sooner := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	switch {
	case s.closed:
		return at
	case s.failing != nil:
		sooner(s.failedAt.Add(s.pause))
	case s.held >= s.o.hold/2:
		sooner(time.Now())
	case s.held > 0 || len(s.unsaid) > 0:
		sooner(s.firstPending.Add(s.o.Flush))
	}
	if !s.cursorDirty.IsZero() && s.failing == nil {
		if s.finished() {
			sooner(s.cursorDirty.Add(s.o.Flush))
		} else {
			sooner(s.cursorDirty.Add(cursorInterval))
		}
	}
	if !s.stuck.IsZero() {
		sooner(s.stuck.Add(maxPause))
	}
	if left, ok := s.ageLeft(); ok {
		sooner(time.Now().Add(left))
	}
	return at
}

// tick does whatever is due. What goes wrong is logged when it begins and when
// it ends, and tried again later.
func (s *Spool) tick() {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	s.mu.Lock()
	closed, before := s.closed, s.failing
	s.mu.Unlock()
	if closed {
		return
	}
	s.expire()
	err := s.flush()
	switch {
	case err != nil && before == nil:
		s.log.Warn("spool cannot write; new records wait in memory", "err", err)
	case err == nil && before != nil:
		s.log.Info("spool writes again")
	}
}

// Sync makes every record durable that was appended before the call.
func (s *Spool) Sync() error {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return ErrClosed
	}
	return s.flush()
}

// flush writes and syncs what waits, then does the housekeeping that has come
// due. The caller holds flushMu.
func (s *Spool) flush() error {
	for s.collect() {
		s.makeRoom(0)
		err := s.write()
		if err != nil {
			// What was lost is in memory, all of it. A segment that failed is
			// never written to again, so the second try is on a new one, and with
			// the room of what had to go anyway.
			s.relieve()
			err = s.write()
		}
		if err != nil {
			s.fail(err)
			return fmt.Errorf("write spool: %w", err)
		}
		if !s.settle() {
			break // what came since can wait for the next flush
		}
	}
	// Records are safe whatever becomes of the rest: that is tried again.
	err := s.reclaim(false)
	s.unmark()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing, s.pause = nil, 0
	if (err != nil) != s.untidy {
		s.untidy = err != nil
		s.log.Warn("spool cannot write down what was acknowledged, or can again", "err", err)
	}
	return nil
}

// fail remembers a failed flush and when to try again: later and later.
func (s *Spool) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing, s.failedAt = err, time.Now()
	s.pause = min(max(2*s.pause, min(s.o.Flush, time.Second)), maxPause)
	s.kickRun()
}

// collect takes what waits, and reports whether there is anything to write.
func (s *Spool) collect() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.say()
	s.inflight = append(s.inflight, s.pending...)
	clear(s.pending)
	s.pending = s.pending[:0]
	return len(s.inflight) > 0
}

// settle forgets the inflight records, which are durable now. It reports whether
// condemned segments wait for their gap: until it is durable they take room.
func (s *Spool) settle() (waiting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.inflight {
		s.held -= len(r.buf)
		if s.spare == nil && cap(r.buf) <= 2*holdBytes {
			s.spare = r.buf[:0]
		}
	}
	clear(s.inflight)
	s.inflight = s.inflight[:0]
	s.firstPending = time.Time{}
	if s.held > 0 || len(s.unsaid) > 0 {
		s.firstPending = time.Now()
		s.kickRun()
	}
	return slices.ContainsFunc(s.segments, func(seg *segment) bool {
		return seg.condemned && seg.said == notSaid
	})
}

// end closes the active segment with a record that says that the epoch ends
// here, so that damage at its tail is known for what it is. It takes no number
// and may be missing.
func (s *Spool) end() error {
	if s.active == nil {
		return s.endRetired()
	}
	a := s.active
	b := appendRecord(nil, s.seed, flagEnd, s.next, nil)
	if _, err := a.f.WriteAt(b, a.size); err != nil {
		return err
	}
	return a.f.Sync()
}
