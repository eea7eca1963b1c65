package spool

import (
	"bytes"
	"errors"
	"io"
)

const windowBytes = 64 << 10

// scanner walks the good records of one segment and steps over whatever is bad.
type scanner struct {
	f      io.ReaderAt
	seed   uint32
	first  uint64 // the number that the header names
	off    int64  // where the next record is looked for
	limit  int64  // where the segment ends
	patch  bool   // read an unreadable page as zeroes
	window []byte // the bytes from base on
	base   int64
}

// next returns the next good record at or after off and moves off to its
// beginning. It is false at the limit. The payload is good until the next call.
func (sc *scanner) next() (record, bool, error) {
	want := recordHead
	for sc.off+recordHead <= sc.limit {
		b, err := sc.bytes(want)
		if err != nil {
			return record{}, false, err
		}
		r, need, ok := parseRecord(b, sc.seed)
		if ok && sc.plausible(r.seq) {
			return r, true, nil
		}
		if need > len(b) && sc.off+int64(need) <= sc.limit {
			want = need
			continue
		}
		// Not a record. The next place where one may begin:
		want = recordHead
		if i := bytes.Index(b[1:], recordMagic); i >= 0 {
			sc.off += 1 + int64(i)
		} else {
			sc.off += int64(max(1, len(b)-len(recordMagic)+1))
		}
	}
	sc.off = sc.limit
	return record{}, false, nil
}

// take moves past the record that next returned.
func (sc *scanner) take(r record) { sc.off += r.size() }

// plausible reports whether the segment can hold the number at all: a record
// takes at least its head.
func (sc *scanner) plausible(seq uint64) bool {
	return seq >= sc.first && seq-sc.first <= uint64(max(sc.limit, maxSegmentBytes))/recordHead
}

// bytes returns n bytes at off, or more, or fewer at the limit.
func (sc *scanner) bytes(n int) ([]byte, error) {
	n = int(min(int64(n), sc.limit-sc.off))
	if from := sc.off - sc.base; from >= 0 && from+int64(n) <= int64(len(sc.window)) {
		return sc.window[from:], nil
	}
	size := int(min(int64(max(n, windowBytes)), sc.limit-sc.off))
	if cap(sc.window) < size || cap(sc.window) > 4*windowBytes && size <= windowBytes {
		sc.window = make([]byte, size)
	}
	sc.window, sc.base = sc.window[:size], sc.off
	if err := readFull(sc.f, sc.window, sc.off); err != nil {
		if !sc.patch {
			sc.window = sc.window[:0]
			return nil, err
		}
		readPages(sc.f, sc.window, sc.off)
	}
	return sc.window, nil
}

// readFull fills b. A file that is shorter than it was reads as zeroes: no
// record is made of them.
func readFull(f io.ReaderAt, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	clear(b[n:])
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// readPages fills b with the pages that can be read, and zeroes for the others.
func readPages(f io.ReaderAt, b []byte, off int64) {
	const page = 4 << 10
	for len(b) > 0 {
		n := int(min(int64(len(b)), page-off%page))
		if readFull(f, b[:n], off) != nil {
			clear(b[:n])
		}
		b, off = b[n:], off+int64(n)
	}
}
