package domain

import (
	"encoding/binary"
	"net/netip"
)

// Bounds of a DNS message: whoever can send one decides what stands in it. With
// them no message costs more than some tens of microseconds, whatever its size.
const (
	maxName    = 253 // RFC 1035 2.3.4, without what the wire has around it
	maxHops    = 16  // compression pointers in one name
	maxRecords = 64  // answers that are looked at
	maxAddrs   = 8   // addresses that are kept
)

// A message is what is read of a DNS message: its question, and the addresses
// in its answer. name points into the decoder's buffer.
type message struct {
	id       uint16
	response bool
	rcode    uint8
	qtype    uint16
	name     []byte
	addrs    [maxAddrs]netip.Addr
	naddrs   int
}

// parse reads a query or its answer (RFC 1035 4.1). Other messages, and those
// without exactly one question, are refused. A message that is cut behind its
// question gives what is there.
func (m *message) parse(b []byte) bool {
	const opcode = 0x78
	if len(b) < 12 || b[2]&opcode != 0 || binary.BigEndian.Uint16(b[4:]) != 1 {
		return false
	}
	m.id = binary.BigEndian.Uint16(b)
	m.response = b[2]&0x80 != 0
	m.rcode = b[3] & 15
	m.naddrs = 0
	var next int
	m.name, next = appendName(m.name[:0], b, 12)
	if next == 0 || next+4 > len(b) {
		return false
	}
	m.qtype = binary.BigEndian.Uint16(b[next:])
	if m.response {
		m.answers(b, next+4, int(binary.BigEndian.Uint16(b[6:])))
	}
	return true
}

// answers keeps the addresses among the answers. All of them are the
// question's: between them stand only its other names.
func (m *message) answers(b []byte, at, count int) {
	const typeA, typeAAAA = 1, 28
	for range min(count, maxRecords) {
		if at = skipName(b, at); at == 0 || at+10 > len(b) {
			return
		}
		kind, size := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+8:]))
		at += 10
		if at+size > len(b) || m.naddrs == maxAddrs {
			return
		}
		if kind == typeA && size == 4 || kind == typeAAAA && size == 16 {
			addr, _ := netip.AddrFromSlice(b[at : at+size])
			m.addrs[m.naddrs] = addr.Unmap()
			m.naddrs++
		}
		at += size
	}
}

// appendName appends the name at a place of a message, in lower case and without
// a dot at its end, and returns where it ends; 0: it is broken. Pointers may
// only point back, so no name is endless. A byte that no host's name has, and a
// dot inside of a label, becomes '?': it must not look like another name.
func appendName(dst, b []byte, at int) ([]byte, int) {
	end := 0
	for hops := 0; at < len(b); {
		c := int(b[at])
		switch {
		case c == 0:
			if end == 0 {
				end = at + 1
			}
			return dst, end
		case c < 64:
			if len(dst) > 0 {
				dst = append(dst, '.')
			}
			if at+1+c > len(b) || len(dst)+c > maxName {
				return dst, 0
			}
			for _, x := range b[at+1 : at+1+c] {
				dst = append(dst, nameByte(x))
			}
			at += 1 + c
		case c >= 0xc0 && at+1 < len(b):
			to := (c&0x3f)<<8 | int(b[at+1])
			if end == 0 {
				end = at + 2
			}
			if hops++; to >= at || hops > maxHops {
				return dst, 0
			}
			at = to
		default:
			return dst, 0
		}
	}
	return dst, 0
}

func nameByte(x byte) byte {
	switch {
	case x >= 'A' && x <= 'Z':
		return x + 'a' - 'A'
	case x <= ' ' || x > '~' || x == '.':
		return '?'
	}
	return x
}

// skipName returns where a name ends, without following pointers; 0: broken.
func skipName(b []byte, at int) int {
	for at < len(b) {
		switch c := int(b[at]); {
		case c == 0:
			return at + 1
		case c < 64:
			at += 1 + c
		case c >= 0xc0 && at+2 <= len(b):
			return at + 2
		default:
			return 0
		}
	}
	return 0
}
