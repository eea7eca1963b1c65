package process

import (
	"bytes"
	"encoding/binary"
)

// What a record of the eBPF programs tells; see bpf/process.bpf.c.
const (
	kindExec = 1
	kindExit = 2 // the last thread has ended
	kindFree = 3 // it has been waited for: all figures are whole
)

const (
	recordSize = 40 // kind, pid, start, time, and two fields more: of every kind
	execSize   = 56
	endSize    = 80
	cutShort   = 1 // the path was longer than the record
)

// record is one of them. Times are nanoseconds since boot.
type record struct {
	kind, pid, uid uint32
	start, at      int64

	// Of an exec. parts are the path's, the last first, each with a zero after it;
	// they point into what was read.
	parent      uint32
	parentStart int64
	parts       []byte
	cut         bool // parts are the last ones of a longer path

	// Of an end.
	status             uint32 // as wait(2) gives it
	cpu, utime, stime  uint64 // nanoseconds; cpu is exact, the others give its shares
	readBytes, written uint64

	// The peak of the process's memory. At an exec it is that of what the process
	// was before: the copy of its parent, or its parent itself.
	rssPages uint64
}

// parseRecord reads a record. It reports false for one that is cut short or of
// another kind. The objects are little-endian, as are all systems that they are
// for.
func parseRecord(b []byte) (r record, ok bool) {
	if len(b) < recordSize {
		return record{}, false
	}
	order := binary.LittleEndian
	long := func(at int) uint64 { return order.Uint64(b[at:]) }
	r = record{kind: order.Uint32(b), pid: order.Uint32(b[4:]), start: int64(long(8)), at: int64(long(16))}
	switch {
	case r.kind == kindExec && len(b) >= execSize:
		r.parentStart = int64(long(24))
		r.parent, r.uid = order.Uint32(b[32:]), order.Uint32(b[36:])
		r.cut = order.Uint32(b[40:])&cutShort != 0
		r.rssPages = long(48)
		r.parts = b[execSize:]
		if n := uint64(order.Uint32(b[44:])); n < uint64(len(r.parts)) {
			r.parts = r.parts[:n]
		}
	case (r.kind == kindExit || r.kind == kindFree) && len(b) >= endSize:
		r.uid, r.status = order.Uint32(b[24:]), order.Uint32(b[28:])
		r.cpu, r.utime, r.stime = long(32), long(40), long(48)
		r.rssPages, r.readBytes, r.written = long(56), long(64), long(72)
	default:
		return record{}, false
	}
	return r, true
}

// appendPath appends the path that the parts make up.
func appendPath(dst, parts []byte) []byte {
	for len(parts) > 0 {
		parts = parts[:len(parts)-1] // the zero after the last
		i := bytes.LastIndexByte(parts, 0) + 1
		dst = append(append(dst, '/'), parts[i:]...)
		parts = parts[:i]
	}
	return dst
}

// lastPart returns the name of the file.
func lastPart(parts []byte) []byte {
	name, _, _ := bytes.Cut(parts, []byte{0})
	return name
}

// shares splits the exact CPU time as the kernel does for wait(2): by the ticks
// that hit the program and those that hit the kernel on its behalf.
func (r *record) shares() (user, system int64) {
	switch {
	case r.stime == 0:
		return int64(r.cpu), 0
	case r.utime == 0:
		return 0, int64(r.cpu)
	}
	system = int64(float64(r.cpu) * (float64(r.stime) / (float64(r.utime) + float64(r.stime))))
	return int64(r.cpu) - system, system
}
