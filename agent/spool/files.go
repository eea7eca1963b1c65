package spool

import (
	"errors"
	"io/fs"
	"time"
)

// remove removes the file of a segment, and reports whether its epoch has no
// other. A file that somebody holds is tried again later.
func (s *Spool) remove(seg *segment) (last bool) {
	err := s.dir.Remove(seg.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.stuck = time.Now()
		return false
	}
	last = true
	kept := s.segments[:0]
	for _, other := range s.segments {
		if other == seg {
			continue
		}
		last = last && other.epoch != seg.epoch
		kept = append(kept, other)
	}
	clear(s.segments[len(kept):])
	s.segments = kept
	if last && seg.epoch != s.cur {
		seg.epoch.gone, seg.epoch.goneAt = true, s.synced
	}
	return last
}

// mark leaves the mark of a clean stop.
func (s *Spool) mark() error {
	if err := s.dir.Remove(markName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := s.dir.Create(markName)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return s.syncDir()
}

// unmark takes the mark of the last clean stop away, before anything is written
// that an unclean one could lose. Where it cannot, the next flush tries again.
func (s *Spool) unmark() {
	if !s.marked {
		return
	}
	if err := s.dir.Remove(markName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return
	}
	s.marked = s.syncDir() != nil
}
