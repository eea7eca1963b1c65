package libproc

import (
	"encoding/binary"
	"net/netip"
)

// Socket is one line of a list of sockets.
type Socket struct {
	Handle        uint64 // names it among those that are open
	PID, UID      uint32 // of who used it last, and of who made it
	Local, Remote netip.AddrPort
	State         int32 // of TCP; -1 where the list says none
}

// States of TCP, netinet/tcp_fsm.h.
const (
	StateClosed   = 0
	StateListen   = 1
	StateSynRecv  = 3
	StateTimeWait = 10
)

// A list such as net.inet.tcp.pcblist_n begins and ends with a header of 24 bytes.
// Between them stand pieces, each with its length and kind, padded to 8 bytes;
// several make up a socket. The layouts are those of bsd/netinet/in_pcb.h,
// bsd/sys/socketvar.h and bsd/netinet/tcp_var.h, which pack to 4 bytes.
const (
	listHeader = 24

	kindSocket = 0x001
	kindInet   = 0x010
	kindTCP    = 0x020

	inetSize    = 80
	handleAt    = 8
	remoteAt    = 16 // port
	localAt     = 18 // port
	versionAt   = 44
	remoteIPAt  = 48
	localIPAt   = 64
	socketSize  = 72
	socketUID   = 64
	socketPID   = 68
	tcpSize     = 40
	tcpState    = 36
	versionIPv4 = 1
	versionIPv6 = 2
)

// Sockets decodes a list of sockets. Pieces that are longer than known are read as
// far as they are known, unknown kinds are skipped, and what is cut short ends the
// list.
func Sockets(b []byte) []Socket {
	order := binary.LittleEndian
	if len(b) < listHeader || order.Uint32(b) < listHeader {
		return nil
	}
	var list []Socket
	var parts socketParts
	for b = skip(b, order.Uint32(b)); len(b) >= 8; {
		size, kind := order.Uint32(b), order.Uint32(b[4:])
		if size <= listHeader || uint64(size) > uint64(len(b)) {
			break // the header at the end, or a piece that is cut short
		}
		if parts.kinds&kind != 0 { // the next socket begins
			list = parts.add(list)
			parts = socketParts{}
		}
		parts.take(kind, b[:size])
		b = skip(b, size)
	}
	return parts.add(list)
}

// skip drops a piece and its padding.
func skip(b []byte, size uint32) []byte {
	padded := (uint64(size) + 7) &^ 7
	return b[min(padded, uint64(len(b))):]
}

// socketParts gathers the pieces of one socket.
type socketParts struct {
	kinds             uint32
	inet, socket, tcp []byte
}

func (p *socketParts) take(kind uint32, piece []byte) {
	p.kinds |= kind
	switch {
	case kind == kindInet && len(piece) >= inetSize:
		p.inet = piece
	case kind == kindSocket && len(piece) >= socketSize:
		p.socket = piece
	case kind == kindTCP && len(piece) >= tcpSize:
		p.tcp = piece
	}
}

// add appends the socket to list if its pieces are there.
func (p *socketParts) add(list []Socket) []Socket {
	if p.inet == nil || p.socket == nil {
		return list
	}
	s := Socket{
		Handle: binary.LittleEndian.Uint64(p.inet[handleAt:]),
		UID:    binary.LittleEndian.Uint32(p.socket[socketUID:]),
		PID:    binary.LittleEndian.Uint32(p.socket[socketPID:]),
		State:  -1,
	}
	var local, remote netip.Addr
	switch version := p.inet[versionAt]; {
	case version&versionIPv4 != 0: // in the last four bytes of sixteen
		local, remote = netip.AddrFrom4([4]byte(p.inet[localIPAt+12:])), netip.AddrFrom4([4]byte(p.inet[remoteIPAt+12:]))
	case version&versionIPv6 != 0:
		local, remote = address6(p.inet[localIPAt:]), address6(p.inet[remoteIPAt:])
	default:
		return list
	}
	s.Local = netip.AddrPortFrom(local, binary.BigEndian.Uint16(p.inet[localAt:]))
	s.Remote = netip.AddrPortFrom(remote, binary.BigEndian.Uint16(p.inet[remoteAt:]))
	if p.tcp != nil {
		s.State = int32(binary.LittleEndian.Uint32(p.tcp[tcpState:]))
	}
	return append(list, s)
}

// address6 reads an IPv6 address. In that of a link the kernel keeps the number of
// the interface in the third and fourth byte, where the address has zeroes.
func address6(b []byte) netip.Addr {
	a := [16]byte(b)
	if a[0] == 0xfe && a[1]&0xc0 == 0x80 {
		a[2], a[3] = 0, 0
	}
	return netip.AddrFrom16(a).Unmap()
}
