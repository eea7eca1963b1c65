package domain

import (
	"encoding/binary"
	"net/netip"
)

// snap is how much of a packet is copied: all of it but for giant ones.
const snap = 8 << 10

// A device of bpf(4) hands out a buffer of captures, each with a header: seconds
// and microseconds, how much was captured and how long the frame was, and the
// length of this header. Each begins at a multiple of four bytes.
const (
	captureHead  = 18
	captureAlign = 4
	etherSize    = 14
	familySize   = 4
)

// parseCaptures takes every packet in a buffer. link is the length of the link's
// header. own says which addresses are this machine's: what comes from one of them
// it sends. What is cut short ends the buffer.
func parseCaptures(b []byte, link int, own map[netip.Addr]struct{}, take func(*packet)) {
	order := binary.LittleEndian
	var p packet
	for len(b) >= captureHead {
		captured, head := uint64(order.Uint32(b[8:])), uint64(order.Uint16(b[16:]))
		end := head + captured
		if head < captureHead || end > uint64(len(b)) {
			return
		}
		p.at = int64(order.Uint32(b))*1e9 + int64(order.Uint32(b[4:]))*1e3
		if frame := b[head:end]; len(frame) > link {
			ip := frame[link:]
			source, _, _, _ := network(ip)
			_, out := own[source]
			if parseFrame(ip, out, &p) {
				take(&p)
			}
		}
		b = b[min((end+captureAlign-1)&^(captureAlign-1), uint64(len(b))):]
	}
}
