package connection

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/discreet-agent/discreet/collectors/nt"
)

// Windows tells of TCP sockets in tables (MIB_TCPTABLE_OWNER_MODULE and
// MIB_TCP6TABLE_OWNER_MODULE): a count, and from byte 8 on the rows.
const (
	tableHead = 8
	row4Size  = 160
	row6Size  = 192
	maxRows   = 1 << 17
)

// States of a socket as Windows numbers them (MIB_TCP_STATE).
const (
	ntListen      = 2
	ntSynSent     = 3
	ntEstablished = 5
	ntLastAck     = 10
)

// row is one TCP socket. The remote end of a listener is zero.
type row struct {
	state         uint32
	local, remote netip.AddrPort
	pid           uint32
	created       int64 // FILETIME; 0 where unknown
	raw           []byte
}

// eachRow4 calls do with every row of a table of IPv4. It reports false for a table
// that is cut short; the rows before that were handed out.
func eachRow4(b []byte, do func(*row)) bool {
	order := binary.LittleEndian
	return eachRow(b, row4Size, func(e []byte) {
		do(&row{
			state:   order.Uint32(e),
			local:   netip.AddrPortFrom(netip.AddrFrom4([4]byte(e[4:])), portOf(e[8:])),
			remote:  netip.AddrPortFrom(netip.AddrFrom4([4]byte(e[12:])), portOf(e[16:])),
			pid:     order.Uint32(e[20:]),
			created: int64(order.Uint64(e[24:])),
			raw:     e,
		})
	})
}

// eachRow6 is eachRow4 for IPv6. Scopes of addresses are left out: they are the
// device's own numbers.
func eachRow6(b []byte, do func(*row)) bool {
	order := binary.LittleEndian
	return eachRow(b, row6Size, func(e []byte) {
		do(&row{
			state:   order.Uint32(e[48:]),
			local:   netip.AddrPortFrom(netip.AddrFrom16([16]byte(e)).Unmap(), portOf(e[20:])),
			remote:  netip.AddrPortFrom(netip.AddrFrom16([16]byte(e[24:])).Unmap(), portOf(e[44:])),
			pid:     order.Uint32(e[52:]),
			created: int64(order.Uint64(e[56:])),
			raw:     e,
		})
	})
}

func eachRow(b []byte, size int, do func([]byte)) bool {
	if len(b) < 4 {
		return false
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 {
		return true
	}
	if n > maxRows || len(b) < tableHead {
		return false
	}
	for b = b[tableHead:]; n > 0; n-- {
		if len(b) < size {
			return false
		}
		do(b[:size])
		b = b[size:]
	}
	return true
}

// portOf reads a port: two bytes as on the wire, in a word of four.
func portOf(b []byte) uint16 { return binary.BigEndian.Uint16(b) }

// socket returns what the tracker takes. It reports false for what is no open
// connection and no listener. A state in which data could flow stands as
// established: the tracker's corrections are for Linux's counters.
func (r *row) socket() (socket, bool) {
	s := socket{protocol: protocolTCP, local: r.local, remote: r.remote}
	switch {
	case r.state == ntListen:
		s.state, s.remote = stateListen, netip.AddrPort{}
	case r.state == ntSynSent:
		s.state = stateSynSent
	case r.state >= ntEstablished && r.state <= ntLastAck:
		s.state = stateEstablished
		s.info.known, s.info.bytesAcked = true, 1 // its SYN
	default:
		return s, false
	}
	return s, s.state == stateListen || s.remote.Port() != 0
}

// rowKey tells connections apart that had the same ends one after the other.
type rowKey struct {
	local, remote netip.AddrPort
	created       int64
	pid           uint32
}

func (r *row) key() rowKey { return rowKey{r.local, r.remote, r.created, r.pid} }

// Figures of one connection (TCP_ESTATS_DATA_ROD_v0, TCP_ESTATS_PATH_ROD_v0). They
// count from when they were switched on.
const (
	dataStatsSize = 96
	pathStatsSize = 160
)

// asked returns how the system wants a connection named that it is asked about
// (MIB_TCPROW, MIB_TCP6ROW), in b.
func (r *row) asked(b *[52]byte) []byte {
	if len(r.raw) == row4Size {
		return append(b[:0], r.raw[:20]...)
	}
	return append(append(b[:0], r.raw[48:52]...), r.raw[:48]...)
}

// addDataStats puts the counters of bytes and segments into info.
func addDataStats(info *tcpInfo, b []byte) bool {
	if len(b) < dataStatsSize {
		return false
	}
	order := binary.LittleEndian
	info.bytesOut, info.bytesIn = order.Uint64(b), order.Uint64(b[16:])
	info.dataSegsIn = order.Uint64(b[24:])
	info.segsOut, info.segsIn = order.Uint64(b[32:]), order.Uint64(b[40:])
	return true
}

// addPathStats puts the round trip's times, which come in milliseconds, and the
// retransmissions into info. All ones is a figure that is not known yet.
func addPathStats(info *tcpInfo, b []byte) bool {
	if len(b) < pathStatsSize {
		return false
	}
	order := binary.LittleEndian
	us := func(at int) uint64 {
		if ms := order.Uint32(b[at:]); ms != ^uint32(0) {
			return uint64(ms) * 1000
		}
		return 0
	}
	info.retransmits = uint64(order.Uint32(b[20:]))
	info.rttUS, info.minRTTUS = us(108), us(120)
	return true
}

// since returns when a connection began, where the system tells and the agent ran
// by then.
func (r *row) since(agent time.Time) time.Time {
	ms := nt.UnixMS(r.created)
	if ms == 0 {
		return time.Time{}
	}
	if at := time.UnixMilli(ms); at.After(agent) {
		return at
	}
	return time.Time{}
}
