package etw

import "net/netip"

// Kind is what happened to a connection.
type Kind uint8

// The kinds.
const (
	Sent Kind = iota + 1
	Received
	Connected
	Disconnected
	Retransmitted
	Accepted
	SentUDP
	ReceivedUDP
)

// toIPv6 is what an event's number of IPv6 has more than that of IPv4.
const toIPv6 = 16

// kindOf returns what an event of Kernel-Network says, by its number of IPv4; 0 for
// what is not wanted.
func kindOf(id uint16) Kind {
	switch id {
	case 10:
		return Sent
	case 11:
		return Received
	case 12:
		return Connected
	case 13:
		return Disconnected
	case 14:
		return Retransmitted
	case 15:
		return Accepted
	case 42:
		return SentUDP
	case 43:
		return ReceivedUDP
	}
	return 0
}

// Traffic is one event of a connection.
type Traffic struct {
	Kind                Kind
	PID                 uint32
	Bytes               uint32 // 0 where it is not about data
	Source, Destination netip.AddrPort
}

// UDP reports whether the event is about UDP.
func (t Traffic) UDP() bool { return t.Kind == SentUDP || t.Kind == ReceivedUDP }

// ParseTraffic reads an event of Kernel-Network. It reports false for one of another
// kind and for one that is cut short.
func ParseTraffic(e *Event) (t Traffic, ok bool) {
	id, six := e.ID, false
	if id >= 26 && id <= 34 || id == 58 || id == 59 {
		id, six = id-toIPv6, true
	}
	if t.Kind = kindOf(id); t.Kind == 0 {
		return t, false
	}
	r := reader{b: e.Data}
	t.PID, t.Bytes = r.word32(), r.word32()
	var to, from netip.Addr
	if six {
		if b := r.take(32); b != nil {
			to, from = netip.AddrFrom16([16]byte(b)).Unmap(), netip.AddrFrom16([16]byte(b[16:])).Unmap()
		}
	} else if b := r.take(8); b != nil {
		to, from = netip.AddrFrom4([4]byte(b)), netip.AddrFrom4([4]byte(b[4:]))
	}
	toPort, fromPort := r.port(), r.port()
	if r.short {
		return Traffic{}, false
	}
	t.Destination, t.Source = netip.AddrPortFrom(to, toPort), netip.AddrPortFrom(from, fromPort)
	switch t.Kind {
	case Connected, Disconnected, Accepted:
		t.Bytes = 0
	}
	return t, true
}
