package domain

import "net/netip"

// kind says what a packet is, as the eBPF program's records number it.
type kind uint8

const (
	kindProgram kind = 1 + iota // no packet: the path of a program
	kindDNSOut
	kindDNSIn
	kindStreamOut // a part of DNS over TCP
	kindStreamIn
	kindHello   // a part of what a client sends first over TCP
	kindInitial // a datagram that begins with an Initial
)

// owner is the process whose socket it is. The zero value: not known.
type owner struct {
	pid, uid uint32
	start    int64 // since boot, in nanoseconds
}

// flow names a connection. A source that has no cookies leaves it 0.
type flow struct {
	cookie uint64
	local  netip.AddrPort // the eBPF program tells the port alone
	remote netip.AddrPort
}

// packet is a piece of what passed, as a source hands it out. data is good until
// the next one.
type packet struct {
	kind  kind
	owner owner
	at    int64 // in nanoseconds, of the source's clock
	flow  flow
	seq   uint32 // of TCP
	data  []byte
}

// program is what a source tells of the program of a process.
type program struct {
	owner      owner
	name, path string
}
