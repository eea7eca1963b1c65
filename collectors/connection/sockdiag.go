package connection

import (
	"encoding/binary"
	"net/netip"

	"github.com/discreet-agent/discreet/collectors/netlink"
)

// sock_diag answers with inet_diag_msg (linux/inet_diag.h), and for TCP with
// tcp_info (linux/tcp.h) as an attribute.
const (
	diagByFamily = 20 // SOCK_DIAG_BY_FAMILY
	diagSize     = 72
	requestSize  = 56

	attrInfo     = 2  // INET_DIAG_INFO
	attrProtocol = 10 // INET_DIAG_PROTOCOL

	protocolTCP = 6
	protocolUDP = 17
	familyIPv4  = 2
	familyIPv6  = 10
)

// States of a socket (net/tcp_states.h).
const (
	stateEstablished = 1
	stateSynSent     = 2
	stateSynRecv     = 3
	stateTimeWait    = 6
	stateClose       = 7
	stateCloseWait   = 8
	stateLastAck     = 9
	stateListen      = 10
	stateClosing     = 11
)

// openStates are the states that a dump of TCP asks for: those of connections
// that have a socket of their own, and listening. Connections that only wait
// for stray segments (TIME_WAIT) were reported when their socket went.
const openStates = 1<<stateEstablished | 1<<stateSynSent | 1<<4 | 1<<5 | 1<<stateCloseWait |
	1<<stateLastAck | 1<<stateListen | 1<<stateClosing

// tcpInfo holds the counters of a connection.
type tcpInfo struct {
	retransmits  uint64 // segments sent again
	segsIn       uint64
	segsOut      uint64
	dataSegsIn   uint64
	bytesAcked   uint64 // counts the SYN and the FIN
	bytesIn      uint64 // counts the FIN
	bytesOut     uint64
	rttUS        uint64 // smoothed
	minRTTUS     uint64
	known, exact bool // exact: bytesOut is what the program sent
}

// socket is what sock_diag tells of one.
type socket struct {
	protocol      uint8 // 0 where the message does not say
	state         uint8
	local, remote netip.AddrPort
	cookie        uint64
	uid, inode    uint32
	unread        uint32
	info          tcpInfo
}

// parseSocket reads the data of one message. It reports false for what is cut
// short or of another family.
func parseSocket(b []byte) (socket, bool) {
	if len(b) < diagSize {
		return socket{}, false
	}
	order := binary.NativeEndian
	s := socket{
		state:  b[1],
		cookie: uint64(order.Uint32(b[44:])) | uint64(order.Uint32(b[48:]))<<32,
		unread: order.Uint32(b[56:]),
		uid:    order.Uint32(b[64:]),
		inode:  order.Uint32(b[68:]),
	}
	var local, remote netip.Addr
	switch b[0] {
	case familyIPv4:
		local, remote = netip.AddrFrom4([4]byte(b[8:])), netip.AddrFrom4([4]byte(b[24:]))
	case familyIPv6:
		local, remote = netip.AddrFrom16([16]byte(b[8:])).Unmap(), netip.AddrFrom16([16]byte(b[24:])).Unmap()
	default:
		return socket{}, false
	}
	s.local = netip.AddrPortFrom(local, binary.BigEndian.Uint16(b[4:]))
	s.remote = netip.AddrPortFrom(remote, binary.BigEndian.Uint16(b[6:]))
	for rest := b[diagSize:]; ; {
		kind, data, next, ok := netlink.NextAttr(rest)
		if !ok {
			return s, true
		}
		switch {
		case kind == attrInfo:
			s.info = parseTCPInfo(data)
		case kind == attrProtocol && len(data) > 0:
			s.protocol = data[0]
		}
		rest = next
	}
}

// parseTCPInfo reads a tcp_info. The structure grows with the kernel, so each
// figure is taken only where it is long enough.
func parseTCPInfo(b []byte) tcpInfo {
	order := binary.NativeEndian
	if len(b) < 160 { // before Linux 4.6
		return tcpInfo{}
	}
	word := func(at int) uint64 { return uint64(order.Uint32(b[at:])) }
	i := tcpInfo{
		known:       true,
		rttUS:       word(68),
		retransmits: word(100),
		bytesAcked:  order.Uint64(b[120:]),
		bytesIn:     order.Uint64(b[128:]),
		segsOut:     word(136),
		segsIn:      word(140),
		minRTTUS:    word(148),
		dataSegsIn:  word(152),
	}
	if i.minRTTUS == 1<<32-1 { // never measured
		i.minRTTUS = 0
	}
	if len(b) >= 216 { // since Linux 4.19
		if sent, again := order.Uint64(b[200:]), order.Uint64(b[208:]); sent >= again {
			i.bytesOut, i.exact = sent-again, true
		}
		return i
	}
	i.bytesOut = i.bytesAcked
	return i
}

// appendRequest appends the request for all sockets of a family and protocol in
// the states of the mask.
func appendRequest(b []byte, family, protocol uint8, states uint32) []byte {
	const request, dump = 0x1, 0x300 // NLM_F_REQUEST, NLM_F_DUMP
	b = netlink.AppendHeader(b, diagByFamily, request|dump, 0, requestSize)
	b = append(b, family, protocol, 1<<(attrInfo-1), 0)
	b = binary.NativeEndian.AppendUint32(b, states)
	return append(b, make([]byte, requestSize-8)...)
}
