package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/discreet-agent/discreet/privacy"
)

// openSegment is a segment that is being written.
type openSegment struct {
	*segment
	f     File
	size  int64 // with what is not yet durable
	last  uint64
	fresh bool // made by this write
}

// writing is one attempt to write all that is inflight. Until publish nothing of
// it counts: on an error all of it is written again, elsewhere.
type writing struct {
	s       *Spool
	cur     *openSegment   // nil: the next record needs a new segment
	touched []*openSegment // what has to be synced
	syncing bool
}

// write makes the inflight records durable, or none of them. The caller holds
// flushMu.
func (s *Spool) write() error {
	w := &writing{s: s, cur: s.active}
	err := w.records()
	if err == nil {
		w.syncing = true
		err = w.sync()
	}
	if err != nil {
		w.abandon()
		return err
	}
	w.publish()
	return nil
}

func (w *writing) records() error {
	for _, r := range w.s.inflight {
		seq := r.first
		for rest := r.buf; len(rest) > 0; {
			if err := w.turn(r.stamp, seq, recordLen(rest)); err != nil {
				return err
			}
			n, last := w.s.fit(rest, w.s.o.SegmentBytes-w.cur.size)
			if err := writeAll(w.cur.f, rest[:n], w.cur.size); err != nil {
				return err
			}
			w.cur.size += int64(n)
			seq = last + 1
			w.cur.last = last
			rest = rest[n:]
		}
	}
	return nil
}

// recordLen returns the length of the record at the beginning of b.
func recordLen(b []byte) int { return recordHead + int(binary.LittleEndian.Uint32(b[4:])) }

// fit returns how many bytes from the beginning of b fit into room, one record
// at least, and the last number in them.
func (s *Spool) fit(b []byte, room int64) (n int, last uint64) {
	for n < len(b) {
		next := n + recordLen(b[n:])
		if n > 0 && int64(next) > room {
			break
		}
		r, _, _ := parseRecord(b[n:next], s.seed)
		n, last = next, r.last(s.cur.id)
	}
	return n, last
}

func writeAll(f File, b []byte, off int64) error {
	n, err := f.WriteAt(b, off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// turn makes cur a segment that takes n more bytes under the stamp, and enters
// it among the touched.
func (w *writing) turn(stamp *privacy.Stamp, seq uint64, n int) error {
	s := w.s
	if c := w.cur; c != nil && c.takes(s, stamp, int64(n)) {
		if len(w.touched) == 0 || w.touched[len(w.touched)-1] != c {
			w.touched = append(w.touched, c)
		}
		return nil
	}
	h := header{epoch: s.cur.id, first: seq, created: s.o.Now()}
	if stamp != nil {
		h.stamp = *stamp
	}
	b := h.encode()
	s.makeRoom(int64(len(b)) + max(s.o.SegmentBytes, int64(n)))
	name, f, err := s.createSegment()
	if err != nil {
		return err
	}
	size := int64(len(b))
	seg := &segment{name: name, epoch: s.cur, head: h, data: size, end: size, size: size}
	w.cur = &openSegment{segment: seg, f: f, size: size, fresh: true}
	w.touched = append(w.touched, w.cur)
	return writeAll(f, b, 0)
}

// takes reports whether n more bytes under the stamp belong into the segment.
func (o *openSegment) takes(s *Spool, stamp *privacy.Stamp, n int64) bool {
	switch {
	case stamp != nil && *stamp != o.head.stamp:
		return false
	case o.last == 0: // a segment has one record at least
		return true
	}
	age := s.o.Now().Sub(o.head.created)
	return o.size+n <= s.o.SegmentBytes && age >= 0 && age < s.segmentAge()
}

// createSegment makes the file of the next segment.
func (s *Spool) createSegment() (string, File, error) {
	for range 16 { // a name may be taken by something that is no segment
		name := segmentName(s.ordinal)
		s.ordinal++
		f, err := s.dir.Create(name)
		if err == nil {
			return name, f, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", nil, fmt.Errorf("begin a segment: %w", err)
		}
	}
	return "", nil, fmt.Errorf("begin a segment: %w", fs.ErrExist)
}

// sync makes the touched files and their names durable.
func (w *writing) sync() error {
	fresh := false
	for _, o := range w.touched {
		if err := o.f.Sync(); err != nil {
			return err
		}
		fresh = fresh || o.fresh
	}
	if !fresh {
		return nil
	}
	return w.s.syncDir()
}

func (s *Spool) syncDir() error {
	if err := s.dir.Sync(); err != nil {
		return err
	}
	s.synced++
	return nil
}

// abandon undoes a failed write. New files go. The segment that was there before
// is cut back to its last durable record; if that fails, or if it was a sync that
// failed, its file is not trusted again: the kernel may have dropped the pages
// and forgotten about it.
func (w *writing) abandon() {
	s := w.s
	for _, o := range w.touched {
		switch {
		case o.fresh:
			o.f.Close()
			if s.dir.Remove(o.name) != nil {
				// Its records have the numbers that they will have in their next
				// segment, so the next open skips them as read.
				s.log.Warn("spool cannot remove an abandoned segment")
			}
		case w.syncing || o.f.Truncate(o.end) != nil:
			o.f.Close()
			s.active = nil
			s.mu.Lock()
			o.sealed, o.segment.size = true, o.size
			s.mu.Unlock()
		default:
			o.size, o.last = o.end, o.segment.last
		}
	}
}

// publish lets Next see what was written.
func (w *writing) publish() {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.active; old != nil && old != w.cur {
		old.sealed = true
		w.touched = append(w.touched, old) // to be closed below; twice is harmless
	}
	s.active = w.cur
	for _, o := range w.touched {
		o.end, o.segment.size = o.size, o.size
		o.segment.last, o.known = o.last, true
		if o.fresh {
			s.placed++
			o.place = s.placed
			s.segments = append(s.segments, o.segment)
			o.fresh = false
		}
		if o != s.active {
			o.sealed = true
			o.f.Close()
		}
	}
	s.durable = w.cur.last
	s.lastSync = s.o.Now()
	s.wakeNext()
}
