package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rewriteName is the file in which a segment is written anew before it takes the
// old one's place. It never holds more than what may stay.
const rewriteName = "rewrite.tmp"

const rewriteBytes = 256 << 10 // of it in memory

// Tighten takes from every record that is not acknowledged what p forbids, on
// disk and in memory. It only drops: fields, or whole records, for which gaps
// then stand in their places; those that stay keep their numbers. A segment that
// cannot be rewritten is given up whole, and so are files in quarantine: their
// values must not stay. An error says that some may still be on disk. Next
// begins again at the first unacked item. dropped and changed count records.
func (s *Spool) Tighten(p privacy.Policy) (dropped, changed int64, err error) {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return 0, 0, ErrClosed
	}
	t := &tightening{s: s, p: p}
	t.memory()
	// What is acked or given up goes first, so that only what is wanted is
	// rewritten. Where the disk refuses, the records wait in memory, and were
	// tightened there.
	if s.flush() != nil {
		s.relieve()
	}
	segs := t.laxer()
	if len(segs) == 0 && !t.found {
		return 0, 0, nil
	}
	s.retire(segs)
	_ = s.reclaim(true) // what it cannot remove is rewritten like the others
	s.readMu.Lock()
	s.rd.close()
	for _, seg := range t.laxer() {
		err = errors.Join(err, t.segment(seg))
	}
	s.rd.place = 0
	s.readMu.Unlock()
	err = errors.Join(err, t.forget())
	s.mu.Lock()
	s.wakeNext()
	s.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("tighten spool: %w", err)
	}
	return t.dropped, t.changed, err
}

// tightening is one pass over a spool.
type tightening struct {
	s                *Spool
	p                privacy.Policy
	found            bool // records in memory that p is stricter than
	dropped, changed int64
}

// laxer returns the segments on disk that p is stricter than.
func (t *tightening) laxer() (segs []*segment) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	for _, seg := range t.s.segments {
		if _, ok := t.p.Tighten(seg.head.stamp); ok && seg.head.stamp.Levels != "" {
			segs = append(segs, seg)
		}
	}
	return segs
}

// retire ends the active segment where it is one of segs: it cannot take records
// of another stamp.
func (s *Spool) retire(segs []*segment) {
	for _, seg := range segs {
		if s.active != nil && s.active.segment == seg {
			s.active.f.Close()
			s.active, s.retired = nil, seg
			s.mu.Lock()
			seg.sealed = true
			s.mu.Unlock()
		}
	}
}

// endRetired is end where nothing was written after the segment that Tighten
// retired.
func (s *Spool) endRetired() error {
	if s.retired == nil || s.retired.condemned {
		return nil
	}
	f, err := s.dir.Open(s.retired.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // all of it was acknowledged
	}
	if err != nil {
		return err
	}
	err = writeAll(f, appendRecord(nil, s.seed, flagEnd, s.next, nil), s.retired.end)
	return errors.Join(err, f.Sync(), f.Close())
}

// memory tightens what waits for a flush.
func (t *tightening) memory() {
	s := t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, runs := range [][]run{s.inflight, s.pending} {
		for i := range runs {
			r := &runs[i]
			if r.stamp == nil || r.stamp.Levels == "" {
				continue
			}
			red, ok := t.p.Tighten(*r.stamp)
			if !ok {
				continue
			}
			w := newRewriter(red, s.seed, s.cur)
			for rest := r.buf; len(rest) > 0; rest = rest[recordLen(rest):] {
				rec, _, _ := parseRecord(rest, s.seed)
				w.take(rec)
			}
			w.close()
			stamp := red.Stamp()
			s.held += len(w.out) - len(r.buf)
			r.stamp, r.buf = &stamp, w.out
			t.found = true
			t.count(w)
		}
	}
}

// count adds up what was dropped. The gaps stand in place of the records, so the
// loss is only counted here. The caller holds mu.
func (t *tightening) count(w *rewriter) {
	t.dropped += w.dropped
	t.changed += w.changed
	t.s.losses[eventv1.LossReason_LOSS_REASON_POLICY] += uint64(w.dropped)
}

// segment rewrites one segment, or gives it up.
func (t *tightening) segment(seg *segment) error {
	s := t.s
	if !seg.condemned {
		err := t.rewrite(seg)
		if err == nil {
			return nil
		}
		s.log.Warn("spool gives up a segment that a stricter policy cannot be applied to", "err", err)
		before := seg.epoch.unackedIn(seg, s)
		s.condemn(seg, eventv1.LossReason_LOSS_REASON_POLICY)
		t.dropped += before
	}
	s.remove(seg)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stuck.IsZero() {
		return nil
	}
	return errors.New("a segment cannot be removed")
}

// unackedIn returns how many of the segment's numbers are not freed.
func (e *epochState) unackedIn(seg *segment, s *Spool) (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range e.fresh(seg.head.first, seg.last) {
		n += int64(p.last - p.first + 1)
	}
	return n
}

// rewrite puts what may stay of a segment in place of it. The caller holds
// readMu, and no reader has the file open.
func (t *tightening) rewrite(seg *segment) error {
	s := t.s
	red, ok := t.p.Tighten(seg.head.stamp)
	if !ok {
		return nil
	}
	in, err := s.dir.Open(seg.name)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := s.dir.Remove(rewriteName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := s.dir.Create(rewriteName)
	if err != nil {
		return err
	}
	h := seg.head
	h.stamp = red.Stamp()
	s.mu.Lock()
	w := newRewriter(red, epochSeed(h.epoch), seg.epoch)
	s.mu.Unlock()
	w.out = h.encode()
	data := int64(len(w.out))
	size, err := w.copy(seg.scanner(in), out)
	if err == nil {
		err = out.Sync()
	}
	err = errors.Join(err, out.Close(), in.Close())
	if err == nil {
		err = s.dir.Rename(rewriteName, seg.name)
	}
	if err != nil {
		_ = s.dir.Remove(rewriteName) // it holds nothing that may not stay
		return err
	}
	s.mu.Lock()
	t.count(w)
	seg.head, seg.data, seg.end, seg.size, seg.readErrs = h, data, size, size, 0
	seg.last, seg.known = max(seg.last, w.last, h.first-1), true
	s.mu.Unlock()
	return s.syncDir()
}

// forget removes the files in quarantine: they may hold anything.
func (t *tightening) forget() error {
	s := t.s
	list, err := s.dir.List()
	if err != nil {
		return err
	}
	for _, info := range list {
		if _, bad, ok := parseName(info.Name); !ok || !bad {
			continue
		}
		if err := s.dir.Remove(info.Name); err != nil {
			return err
		}
		s.mu.Lock()
		s.badBytes = max(0, s.badBytes-info.Size)
		s.quarantined = max(0, s.quarantined-1)
		s.mu.Unlock()
	}
	return s.syncDir()
}

// rewriter makes new records of old ones, with gaps in place of what is dropped.
type rewriter struct {
	red  *privacy.Redaction
	seed uint32
	view *epochState // what is freed
	out  []byte
	last uint64
	gap  span // dropped, not yet written

	freed            bool // the gap was acknowledged or refused before
	dropped, changed int64
}

// newRewriter returns one for records of e. The caller holds mu.
func newRewriter(red *privacy.Redaction, seed uint32, e *epochState) *rewriter {
	view := &epochState{id: e.id, freed: e.freed, refused: append([]span(nil), e.refused...)}
	return &rewriter{red: red, seed: seed, view: view}
}

// copy rewrites a segment's records into f, behind what is in w.out, and returns
// the length of f.
func (w *rewriter) copy(sc scanner, f File) (size int64, err error) {
	sc.patch = true // an unreadable page shows as damage
	for {
		r, ok, err := sc.next()
		if err != nil {
			return 0, err
		}
		if ok {
			w.take(r)
			sc.take(r)
		} else {
			w.close()
		}
		if !ok || len(w.out) >= rewriteBytes {
			if err := writeAll(f, w.out, size); err != nil {
				return 0, err
			}
			size += int64(len(w.out))
			w.out = w.out[:0]
		}
		if !ok {
			return size, nil
		}
	}
}

// take adds what may stay of r.
func (w *rewriter) take(r record) {
	if r.flags != 0 {
		w.close()
		w.put(r.flags, r.seq, r.payload)
		if r.flags == flagGap {
			w.last = max(w.last, r.last(w.view.id))
		}
		return
	}
	w.last = max(w.last, r.seq)
	kept, ok := w.red.Apply(r.payload)
	freed := w.view.skip(r.seq) != r.seq
	if ok {
		w.close()
		w.put(0, r.seq, kept.Bytes())
		if !freed && !bytes.Equal(kept.Bytes(), r.payload) {
			w.changed++
		}
		return
	}
	if !freed {
		w.dropped++
	}
	if w.gap.first != 0 && w.gap.last+1 == r.seq && w.freed == freed {
		w.gap.last = r.seq
		return
	}
	w.close()
	w.gap, w.freed = span{r.seq, r.seq}, freed
}

func (w *rewriter) put(flags byte, seq uint64, payload []byte) {
	w.out = appendRecord(w.out, w.seed, flags, seq, payload)
}

// close writes the gap that is open.
func (w *rewriter) close() {
	if w.gap.first == 0 {
		return
	}
	g := Gap{Lost: w.view.id, First: w.gap.first, Last: w.gap.last, Count: w.gap.last - w.gap.first + 1,
		Reason: eventv1.LossReason_LOSS_REASON_POLICY}
	w.put(flagGap, g.First, g.encode())
	w.gap = span{}
}
