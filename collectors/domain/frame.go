package domain

import (
	"encoding/binary"
	"net/netip"
)

const (
	protocolTCP = 6
	protocolUDP = 17
	portDNS     = 53
	portHTTPS   = 443
	portDoT     = 853
)

// parseFrame reads a packet from its IP header on, as the rung PACKET sees it,
// and says what it is. out: this machine sends it. Fragments, and packets of IPv6
// with further headers, are refused.
func parseFrame(b []byte, out bool, p *packet) bool {
	source, destination, protocol, b := network(b)
	if len(b) < 8 {
		return false
	}
	from, to := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if out {
		p.flow = flow{local: netip.AddrPortFrom(source, from), remote: netip.AddrPortFrom(destination, to)}
	} else {
		p.flow = flow{local: netip.AddrPortFrom(destination, to), remote: netip.AddrPortFrom(source, from)}
	}
	port := p.flow.remote.Port()
	switch {
	case protocol == protocolUDP:
		size := int(binary.BigEndian.Uint16(b[4:]))
		if size < 8 {
			return false
		}
		b = b[:min(size, len(b))]
		p.data = b[8:]
		return p.kindUDP(out, port)
	case protocol == protocolTCP && len(b) >= 20:
		head := int(b[12]>>4) * 4
		if head < 20 || head >= len(b) {
			return false
		}
		p.seq, p.data = binary.BigEndian.Uint32(b[4:]), b[head:]
		return p.kindTCP(out, port)
	}
	return false
}

func (p *packet) kindUDP(out bool, port uint16) bool {
	switch {
	case port == portDNS && out:
		p.kind = kindDNSOut
	case port == portDNS:
		p.kind = kindDNSIn
	case (port == portHTTPS || port == portDoT) && out:
		p.kind = kindInitial
	default:
		return false
	}
	return true
}

func (p *packet) kindTCP(out bool, port uint16) bool {
	switch {
	case port == portDNS && out:
		p.kind = kindStreamOut
	case port == portDNS:
		p.kind = kindStreamIn
	case out:
		p.kind = kindHello
	default:
		return false
	}
	return true
}

// network reads the IP header. What follows it is nil where it cannot be read.
func network(b []byte) (source, destination netip.Addr, protocol byte, rest []byte) {
	if len(b) < 20 {
		return
	}
	switch b[0] >> 4 {
	case 4:
		head, size := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
		const fragment = 0x3fff // its offset, and that more follow
		if head < 20 || head > len(b) || binary.BigEndian.Uint16(b[6:])&fragment != 0 {
			return
		}
		if size >= head && size < len(b) {
			b = b[:size] // the frame was padded
		}
		return netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:])), b[9], b[head:]
	case 6:
		if len(b) < 40 {
			return
		}
		if size := int(binary.BigEndian.Uint16(b[4:])) + 40; size > 40 && size < len(b) {
			b = b[:size]
		}
		return netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:])), b[6], b[40:]
	}
	return
}
