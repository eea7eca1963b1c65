package connection

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// What a record of the eBPF programs tells; see bpf/connection.bpf.c.
const (
	kindProgram  = 1
	kindTCP      = 2
	kindUDP      = 3
	kindListener = 4
)

const (
	programSize    = 40 // and then the parts of the path
	connectionSize = 152
	cutShort       = 1 // of a program: its path was longer than the record
	several        = 2 // of a UDP socket: it spoke with more than one
)

// How a socket began.
const (
	wentOut = 1
	cameIn  = 2
	listens = 3
	found   = 4 // before the agent came
)

// task names a program in a process: pids alone are used again within minutes,
// and one process may run several programs after another.
type task struct {
	start int64 // nanoseconds since boot
	pid   uint32
	execs uint32 // which of its programs
}

// record is one of them. Times are nanoseconds since boot.
type record struct {
	kind uint32
	task task // its pid is 0 where nobody is known
	uid  uint32

	// Of a program. parts are the path's, the last first, each with a zero after
	// it; they point into what was read.
	parts []byte
	cut   bool

	// Of a connection.
	direction, state      uint8
	several               bool
	err, softErr          uint32 // errno(3)
	cookie                uint64
	began, established    int64
	at                    int64
	bytesOut, bytesIn     uint64
	segsOut, segsIn       uint64
	retransmits           uint64
	rttMin, rttAvg, rttUS uint64 // rttUS: the largest smoothed one that was seen
	netns                 uint32
	local, remote         netip.AddrPort
}

// parseRecord reads a record. It reports false for one that is cut short or of
// another kind. The objects are little-endian, as are all systems that they are
// for.
func parseRecord(b []byte) (r record, ok bool) {
	if len(b) < programSize {
		return record{}, false
	}
	order := binary.LittleEndian
	switch r.kind = order.Uint32(b); r.kind {
	case kindProgram:
		r.owner(b[8:])
		r.cut = order.Uint32(b[32:])&cutShort != 0
		r.parts = b[programSize:]
		if n := uint64(order.Uint32(b[36:])); n < uint64(len(r.parts)) {
			r.parts = r.parts[:n]
		}
	case kindTCP, kindUDP, kindListener:
		if len(b) < connectionSize {
			return record{}, false
		}
		return r, r.connection(b)
	default:
		return record{}, false
	}
	return r, true
}

// endOf returns when a connection ended of which a record tells, in nanoseconds
// since boot.
func endOf(b []byte) (at int64, ok bool) {
	if len(b) < connectionSize {
		return 0, false
	}
	switch binary.LittleEndian.Uint32(b) {
	case kindTCP, kindUDP:
		return int64(binary.LittleEndian.Uint64(b[64:])), true
	}
	return 0, false
}

func (r *record) owner(b []byte) {
	order := binary.LittleEndian
	r.task = task{start: int64(order.Uint64(b)), pid: order.Uint32(b[8:]), execs: order.Uint32(b[16:])}
	r.uid = order.Uint32(b[12:])
}

func (r *record) connection(b []byte) bool {
	order := binary.LittleEndian
	long := func(at int) uint64 { return order.Uint64(b[at:]) }
	word := func(at int) uint64 { return uint64(order.Uint32(b[at:])) }
	r.direction, r.state, r.several = b[5], b[6], b[7]&several != 0
	r.err, r.softErr = order.Uint32(b[8:]), order.Uint32(b[12:])
	r.owner(b[16:])
	r.cookie = long(40)
	r.began, r.established, r.at = int64(long(48)), int64(long(56)), int64(long(64))
	r.bytesOut, r.bytesIn = long(72), long(80)
	r.segsOut, r.segsIn, r.retransmits = word(88), word(92), word(96)
	r.rttMin, r.rttAvg, r.rttUS = word(100), word(104), word(108)
	r.netns = order.Uint32(b[112:])
	local, remote := netip.AddrFrom16([16]byte(b[120:])), netip.AddrFrom16([16]byte(b[136:]))
	switch b[4] {
	case familyIPv4:
		local, remote = netip.AddrFrom4([4]byte(b[120:])), netip.AddrFrom4([4]byte(b[136:]))
	case familyIPv6:
		local, remote = local.Unmap(), remote.Unmap()
	default:
		return false
	}
	r.local = netip.AddrPortFrom(local, order.Uint16(b[116:]))
	r.remote = netip.AddrPortFrom(remote, order.Uint16(b[118:]))
	return true
}

// Errors of a socket (errno(3)), as Linux numbers them everywhere.
const (
	errPipe        = 32
	errNetDown     = 100
	errNetUnreach  = 101
	errReset       = 104
	errTimedOut    = 110
	errRefused     = 111
	errHostDown    = 112
	errHostUnreach = 113
)

func unreachable(err uint32) bool {
	switch err {
	case errNetDown, errNetUnreach, errHostDown, errHostUnreach:
		return true
	}
	return false
}

// outcome says how a TCP connection ended, by the state that it was in and the
// error that its program got.
func (r *record) outcome() eventv1.Outcome {
	switch {
	case r.state != stateSynSent && (r.err == errReset || r.err == errPipe):
		return eventv1.Outcome_OUTCOME_RESET
	case r.state != stateSynSent:
		return eventv1.Outcome_OUTCOME_ESTABLISHED
	case r.err == errRefused || r.err == errReset:
		return eventv1.Outcome_OUTCOME_REFUSED
	case unreachable(r.err) || r.err != 0 && unreachable(r.softErr):
		return eventv1.Outcome_OUTCOME_UNREACHABLE
	case r.err == errTimedOut:
		return eventv1.Outcome_OUTCOME_TIMED_OUT
	}
	return eventv1.Outcome_OUTCOME_ABANDONED
}

// pathOf returns the path that the parts make up.
func pathOf(parts []byte) string {
	path := make([]byte, 0, len(parts)+1)
	for len(parts) > 0 {
		parts = parts[:len(parts)-1] // the zero after the last
		i := bytes.LastIndexByte(parts, 0) + 1
		path = append(append(path, '/'), parts[i:]...)
		parts = parts[:i]
	}
	return string(path)
}

// lastPart returns the name of the file.
func lastPart(parts []byte) string {
	name, _, _ := bytes.Cut(parts, []byte{0})
	return string(name)
}
