package domain

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// Places in a record of the eBPF program (struct head, struct program).
const (
	headBytes    = 64
	programBytes = 32
	cutShort     = 1 // the flag: the path did not fit
)

// parseRecord reads a record of a packet.
func parseRecord(b []byte, p *packet) bool {
	if len(b) < headBytes {
		return false
	}
	le := binary.LittleEndian
	p.kind = kind(le.Uint32(b))
	p.owner = owner{pid: le.Uint32(b[4:]), start: int64(le.Uint64(b[8:])), uid: le.Uint32(b[32:])}
	p.at = int64(le.Uint64(b[16:]))
	p.seq = le.Uint32(b[36:])
	size := int(le.Uint16(b[44:]))
	var addr netip.Addr
	switch le.Uint16(b[46:]) {
	case 4:
		addr = netip.AddrFrom4([4]byte(b[48:]))
	case 6:
		addr = netip.AddrFrom16([16]byte(b[48:])).Unmap()
	default:
		return false
	}
	if p.kind < kindDNSOut || p.kind > kindInitial || headBytes+size > len(b) {
		return false
	}
	p.flow = flow{
		cookie: le.Uint64(b[24:]),
		local:  netip.AddrPortFrom(netip.Addr{}, le.Uint16(b[40:])),
		remote: netip.AddrPortFrom(addr, le.Uint16(b[42:])),
	}
	p.data = b[headBytes : headBytes+size]
	return true
}

// parseProgram reads a record of a program's path. Where the path did not fit,
// its last part alone is known: half a path would name another file.
func parseProgram(b []byte) (program, bool) {
	le := binary.LittleEndian
	if len(b) < programBytes+4 || kind(le.Uint32(b)) != kindProgram {
		return program{}, false
	}
	size := int(le.Uint32(b[24:]))
	if size > len(b)-programBytes {
		return program{}, false
	}
	p := program{owner: owner{pid: le.Uint32(b[4:]), start: int64(le.Uint64(b[8:])), uid: le.Uint32(b[16:])}}
	parts := b[programBytes : programBytes+size]
	name, _, _ := bytes.Cut(parts, []byte{0})
	p.name = string(name)
	if le.Uint32(b[20:])&cutShort == 0 {
		p.path = string(appendPath(nil, parts))
	}
	return p, true
}

// appendPath appends the path whose parts stand in b, the last first, each with
// a zero after it.
func appendPath(dst, parts []byte) []byte {
	for len(parts) > 0 {
		parts = parts[:len(parts)-1] // the zero after the last
		i := bytes.LastIndexByte(parts, 0) + 1
		dst = append(append(dst, '/'), parts[i:]...)
		parts = parts[:i]
	}
	return dst
}
