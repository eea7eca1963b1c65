package spool

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

const (
	lockName = "lock"
	markName = "clean" // there while the spool is closed cleanly

	segmentSuffix = ".seg"
	badSuffix     = ".bad"

	maxBadFiles = 8
	maxBadBytes = 16 << 20
	maxBadAge   = 7 * 24 * time.Hour

	maxOrdinal = math.MaxUint64 / 2
)

// makeDir makes the directory and those above it that are missing. It makes the
// names durable, that of dir also where it was there: a crash may have come
// between.
func makeDir(fsys FS, dir string) error {
	parent := filepath.Dir(filepath.Clean(dir))
	err := fsys.Mkdir(dir)
	was := errors.Is(err, fs.ErrExist)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := makeDir(fsys, parent); err != nil {
			return err
		}
		err = fsys.Mkdir(dir)
	}
	if err != nil && !was {
		return err
	}
	err = fsys.SyncDir(parent)
	if was && errors.Is(err, fs.ErrPermission) {
		return nil // who may not look into the parent did not make dir
	}
	return err
}

func segmentName(ordinal uint64) string { return fmt.Sprintf("%016x%s", ordinal, segmentSuffix) }

// parseName returns the ordinal of a segment's file, or of one in quarantine.
func parseName(name string) (ordinal uint64, bad, ok bool) {
	if len(name) == 16+len(segmentSuffix)+len(badSuffix) && name[20:] == badSuffix {
		name, bad = name[:20], true
	}
	if len(name) != 16+len(segmentSuffix) || name[16:] != segmentSuffix {
		return 0, false, false
	}
	ordinal, err := strconv.ParseUint(name[:16], 16, 64)
	return ordinal, bad, err == nil && segmentName(ordinal) == name && ordinal < maxOrdinal
}

// load reads the directory. The caller holds flushMu; nobody else is there yet.
func (s *Spool) load() error {
	list, err := s.dir.List()
	if err != nil {
		return err
	}
	files := make(map[string]FileInfo, len(list))
	for _, info := range list {
		files[info.Name] = info
		if info.Name == rewriteName { // a crash came before it was put in place
			s.dir.Remove(info.Name)
		}
		if n, _, ok := parseName(info.Name); ok {
			s.ordinal = max(s.ordinal, n+1)
		}
	}
	if err := s.syncDir(); err != nil { // what is gone must not come back: the cursor forgets it
		s.log.Warn("spool cannot sync its directory", "err", err)
	}
	positions, used := s.loadCursor(files)
	_, clean := files[markName]
	newest := s.loadSegments(list, !clean)
	s.unclean = !clean && (used || len(s.segments) > 0 || s.quarantined > 0)
	s.arrange(positions, newest, clean)

	s.cur = &epochState{id: s.o.newEpoch()}
	s.epochs = append(s.epochs, s.cur)
	s.seed = epochSeed(s.cur.id)
	s.marked = clean
	s.unmark()
	if s.unclean {
		// It comes before any record, so that the first batch says so.
		s.lose(Gap{Reason: eventv1.LossReason_LOSS_REASON_UNCLEAN_STOP})
		s.say()
	}
	if !used { // the next open must not take itself for the first one
		if err := s.saveCursor(s.positions()); err != nil {
			s.log.Warn("spool has no cursor yet", "err", err)
		}
	}
	if err := s.reclaim(false); err != nil {
		s.log.Warn("spool keeps what it no longer needs", "err", err)
	}
	return nil
}

// loadSegments reads the headers and sets aside what has none. It returns the
// segment that was begun last.
func (s *Spool) loadSegments(list []FileInfo, unclean bool) (newest *segment) {
	slices.SortFunc(list, func(a, b FileInfo) int { return cmp.Compare(a.Name, b.Name) })
	var bad []FileInfo
	for _, info := range list {
		n, isBad, ok := parseName(info.Name)
		switch {
		case !ok || info.Other:
			continue
		case isBad:
			bad = append(bad, info)
			continue
		case info.Size == 0:
			s.dir.Remove(info.Name)
			s.unreadable(unclean && n+1 == s.ordinal)
			continue
		}
		seg, err := s.readHeader(info)
		if err != nil {
			// The file may be readable again at the next open.
			s.log.Warn("spool cannot read a segment", "err", err)
			s.badBytes += info.Size
			s.lose(Gap{Reason: eventv1.LossReason_LOSS_REASON_DAMAGE})
			continue
		}
		if seg == nil {
			if moved := s.quarantine(info); moved.Name != "" {
				bad = append(bad, moved)
			}
			s.unreadable(unclean && n+1 == s.ordinal)
			continue
		}
		s.segments = append(s.segments, seg)
		newest = seg
	}
	s.boundQuarantine(bad)
	return newest
}

// unreadable reports a file without a header as a loss. That of the newest one is
// what a crash leaves: the gap of the unclean stop stands for it.
func (s *Spool) unreadable(expected bool) {
	if !expected {
		s.lose(Gap{Reason: eventv1.LossReason_LOSS_REASON_DAMAGE})
	}
}

// readHeader returns the segment of a file; nil where it has no good header. It
// tries more than once: a virus scanner may hold the file.
func (s *Spool) readHeader(info FileInfo) (seg *segment, err error) {
	for range maxReadErrs {
		if seg, err = s.readHeaderOnce(info); err == nil {
			break
		}
	}
	return seg, err
}

func (s *Spool) readHeaderOnce(info FileInfo) (*segment, error) {
	f, err := s.dir.Open(info.Name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for _, size := range []int64{4 << 10, maxHeader} { // mostly the first will do
		b := make([]byte, min(size, info.Size))
		if err := readFull(f, b, 0); err != nil {
			return nil, err
		}
		if h, data, ok := parseHeader(b); ok {
			return &segment{name: info.Name, head: h, data: min(data, info.Size),
				end: info.Size, size: info.Size, sealed: true}, nil
		}
	}
	return nil, nil
}

// quarantine renames a file without a header, so that nobody trips over it again
// and somebody can look at it.
func (s *Spool) quarantine(info FileInfo) FileInfo {
	s.log.Warn("spool sets an unreadable segment aside", "bytes", info.Size)
	moved := info
	moved.Name += badSuffix
	if err := s.dir.Rename(info.Name, moved.Name); err != nil {
		s.badBytes += info.Size
		return FileInfo{}
	}
	return moved
}

// boundQuarantine removes what is too old or too much in quarantine.
func (s *Spool) boundQuarantine(bad []FileInfo) {
	slices.SortFunc(bad, func(a, b FileInfo) int { return cmp.Compare(b.Name, a.Name) }) // newest first
	left := min(maxBadBytes, s.o.MaxBytes/8)
	for _, info := range bad {
		old := s.o.Now().Sub(info.ModTime) > maxBadAge
		if (old || s.quarantined >= maxBadFiles || info.Size > left) && s.dir.Remove(info.Name) == nil {
			continue
		}
		left -= info.Size
		s.badBytes += info.Size
		s.quarantined++
	}
}

// arrange puts the segments into the order in which they are sent: the epochs as
// they began, the segments of each by their first number, whatever their files
// are called. newest is the segment that was begun last.
func (s *Spool) arrange(positions []position, newest *segment, clean bool) {
	for _, seg := range s.segments {
		seg.epoch = s.epoch(seg.head.epoch)
		if seg.epoch == nil {
			seg.epoch = &epochState{id: seg.head.epoch}
			s.epochs = append(s.epochs, seg.epoch)
		}
		if n := len(s.segments); n > 0 && seg.head.stamp == s.segments[0].head.stamp {
			seg.head.stamp = s.segments[0].head.stamp // one copy of the text
		}
	}
	for _, p := range positions {
		if e := s.epoch(p.id); e != nil {
			e.freed, e.saved = p.freed, p.freed
			e.refused = after(p.refused, p.freed)
		}
	}
	var sorted []*segment
	for _, e := range s.epochs {
		begin := len(sorted)
		for _, seg := range s.segments {
			if seg.epoch == e {
				sorted = append(sorted, seg)
			}
		}
		own := sorted[begin:]
		slices.SortStableFunc(own, func(a, b *segment) int { return cmp.Compare(a.head.first, b.head.first) })
		ended := s.measure(own)
		if clean && newest != nil && newest.epoch == e && !ended {
			s.lose(Gap{Reason: eventv1.LossReason_LOSS_REASON_DAMAGE}) // a clean stop left an end
		}
	}
	s.segments = sorted
	for _, seg := range s.segments {
		s.placed++
		seg.place = s.placed
	}
}

// measure finds the last number of each segment of an epoch: from the next
// segment's header, or from the last bytes of the file. It reports whether the
// epoch has an end.
func (s *Spool) measure(segs []*segment) (ended bool) {
	e := segs[0].epoch
	for i, seg := range segs {
		for _, next := range segs[i+1:] {
			if next.head.first > seg.head.first {
				seg.last, seg.known = next.head.first-1, true
				break
			}
		}
		if !seg.known {
			ended = s.measureTail(seg) || ended
		}
		e.last = max(e.last, seg.last)
	}
	// Nothing that the cursor says may reach past what exists. What lies before
	// the first file was acknowledged, or it would be there.
	e.last = max(e.last, segs[0].head.first-1)
	e.freed = max(e.freed, segs[0].head.first-1)
	if !slices.ContainsFunc(segs, func(seg *segment) bool { return !seg.known }) {
		e.freed = min(e.freed, e.last)
	}
	e.free(e.freed)
	return ended
}

// measureTail looks for the last record in the last bytes of a segment.
func (s *Spool) measureTail(seg *segment) (ended bool) {
	f, err := s.dir.Open(seg.name)
	if err != nil {
		return false
	}
	defer f.Close()
	sc := seg.scanner(f)
	sc.off = max(seg.data, seg.end-windowBytes)
	whole := sc.off == seg.data
	seg.last = seg.head.first - 1
	for {
		r, ok, err := sc.next()
		if err != nil { // not the same as empty: who reads it will see
			seg.known = false
			return ended
		}
		if !ok {
			break
		}
		last := r.last(seg.head.epoch)
		if r.flags == flagEnd {
			ended = true
			last--
		}
		seg.last, seg.known = max(seg.last, last), true
		sc.take(r)
	}
	seg.known = seg.known || whole
	return ended
}
