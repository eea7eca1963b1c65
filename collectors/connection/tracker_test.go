package connection

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/netlink"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// encodeSocket writes the data of a message as sock_diag does.
func encodeSocket(s socket) []byte {
	order := binary.NativeEndian
	b := make([]byte, diagSize)
	b[0], b[1] = familyIPv6, s.state
	local, remote := s.local.Addr().As16(), s.remote.Addr().As16()
	if s.local.Addr().Is4() {
		b[0] = familyIPv4
		copy(local[:], s.local.Addr().AsSlice())
		copy(remote[:], s.remote.Addr().AsSlice())
	}
	binary.BigEndian.PutUint16(b[4:], s.local.Port())
	binary.BigEndian.PutUint16(b[6:], s.remote.Port())
	copy(b[8:24], local[:])
	copy(b[24:40], remote[:])
	order.PutUint32(b[44:], uint32(s.cookie))
	order.PutUint32(b[48:], uint32(s.cookie>>32))
	order.PutUint32(b[56:], s.unread)
	order.PutUint32(b[64:], s.uid)
	order.PutUint32(b[68:], s.inode)
	b = appendAttr(b, attrProtocol, []byte{s.protocol})
	if !s.info.known {
		return b
	}
	info := make([]byte, 240)
	order.PutUint32(info[68:], uint32(s.info.rttUS))
	order.PutUint32(info[100:], uint32(s.info.retransmits))
	order.PutUint64(info[120:], s.info.bytesAcked)
	order.PutUint64(info[128:], s.info.bytesIn)
	order.PutUint32(info[136:], uint32(s.info.segsOut))
	order.PutUint32(info[140:], uint32(s.info.segsIn))
	order.PutUint32(info[148:], uint32(s.info.minRTTUS))
	order.PutUint32(info[152:], uint32(s.info.dataSegsIn))
	order.PutUint64(info[200:], s.info.bytesOut)
	return appendAttr(b, attrInfo, info)
}

func appendAttr(b []byte, kind uint16, data []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(data)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func tcp(cookie uint64, state uint8, local, remote string) socket {
	return socket{
		protocol: protocolTCP, state: state, cookie: cookie, uid: 1000, inode: uint32(cookie),
		local: netip.MustParseAddrPort(local), remote: netip.MustParseAddrPort(remote),
		info: tcpInfo{
			known: true, exact: true, rttUS: 900, minRTTUS: 500, bytesAcked: 102, bytesOut: 100,
			bytesIn: 201, segsIn: 9, segsOut: 8, dataSegsIn: 3,
		},
	}
}

func TestParseSocket(t *testing.T) {
	for _, want := range []socket{
		tcp(1<<40|7, stateEstablished, "192.0.2.1:40000", "198.51.100.7:443"),
		tcp(8, stateListen, "[2001:db8::1]:40000", "[2001:db8::2]:443"),
	} {
		b := encodeSocket(want)
		if got, ok := parseSocket(b); !ok || got != want {
			t.Errorf("parseSocket() = %+v, %v; want %+v", got, ok, want)
		}
		for n := range diagSize {
			if _, ok := parseSocket(b[:n]); ok {
				t.Errorf("parseSocket(first %d bytes) = true; want false", n)
			}
		}
	}
	mapped := tcp(1, stateEstablished, "[::ffff:192.0.2.1]:1", "[::ffff:198.51.100.7]:443")
	if got, ok := parseSocket(encodeSocket(mapped)); !ok || got.remote.String() != "198.51.100.7:443" {
		t.Errorf("parseSocket() = %v, %v; want the IPv4 address", got.remote, ok)
	}
}

func TestParseTCPInfoOfOldKernels(t *testing.T) {
	b := make([]byte, 240)
	binary.NativeEndian.PutUint64(b[120:], 77)
	binary.NativeEndian.PutUint64(b[200:], 70)
	binary.NativeEndian.PutUint32(b[148:], 1<<32-1)
	tests := []struct {
		name         string
		size         int
		known, exact bool
		out          uint64
	}{
		{"too short", 104, false, false, 0},
		{"before 4.19", 192, true, false, 77},
		{"now", 240, true, true, 70},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := parseTCPInfo(b[:tt.size])
			if i.known != tt.known || i.exact != tt.exact || i.bytesOut != tt.out || i.minRTTUS != 0 {
				t.Errorf("parseTCPInfo(%d bytes) = %+v; want known %v, exact %v, %d out", tt.size, i, tt.known, tt.exact, tt.out)
			}
		})
	}
}

func TestScopeOf(t *testing.T) {
	tests := []struct {
		in   string
		want eventv1.Scope
	}{
		{"127.0.0.9", eventv1.Scope_SCOPE_LOOPBACK},
		{"::1", eventv1.Scope_SCOPE_LOOPBACK},
		{"169.254.1.1", eventv1.Scope_SCOPE_LINK_LOCAL},
		{"fe80::1", eventv1.Scope_SCOPE_LINK_LOCAL},
		{"10.1.2.3", eventv1.Scope_SCOPE_PRIVATE},
		{"100.64.0.1", eventv1.Scope_SCOPE_PRIVATE},
		{"100.128.0.1", eventv1.Scope_SCOPE_PUBLIC},
		{"fd00::1", eventv1.Scope_SCOPE_PRIVATE},
		{"224.0.0.251", eventv1.Scope_SCOPE_MULTICAST},
		{"ff02::fb", eventv1.Scope_SCOPE_MULTICAST},
		{"198.51.100.7", eventv1.Scope_SCOPE_PUBLIC},
	}
	for _, tt := range tests {
		if got := scopeOf(netip.MustParseAddr(tt.in)); got != tt.want {
			t.Errorf("scopeOf(%s) = %v; want %v", tt.in, got, tt.want)
		}
	}
}

func TestOutcome(t *testing.T) {
	tests := []struct {
		name    string
		info    tcpInfo
		inbound bool
		want    eventv1.Outcome
	}{
		{"established", tcpInfo{known: true, bytesAcked: 1, segsIn: 1}, false, eventv1.Outcome_OUTCOME_ESTABLISHED},
		{"inbound", tcpInfo{known: true}, true, eventv1.Outcome_OUTCOME_ESTABLISHED},
		{"refused", tcpInfo{known: true, segsIn: 1, segsOut: 1}, false, eventv1.Outcome_OUTCOME_REFUSED},
		{"the kernel gave up", tcpInfo{known: true, segsOut: 7, retransmits: 6}, false, eventv1.Outcome_OUTCOME_TIMED_OUT},
		{"the program gave up", tcpInfo{known: true, segsOut: 3, retransmits: 2}, false, eventv1.Outcome_OUTCOME_ABANDONED},
		{"no figures", tcpInfo{}, false, eventv1.Outcome_OUTCOME_UNSPECIFIED},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &flow{protocol: protocolTCP, info: tt.info, inbound: tt.inbound}
			if got := f.outcome(6); got != tt.want {
				t.Errorf("outcome() = %v; want %v", got, tt.want)
			}
		})
	}
}

// tracked is a tracker and what it emitted.
type tracked struct {
	*tracker
	events []*eventv1.Connection
	now    time.Time
	called collectors.Names
}

func newTracked() *tracked {
	k := &tracked{now: time.Unix(1_700_000_000, 0)}
	k.tracker = newTracker(func(e *eventv1.Event) {
		k.events = append(k.events, proto.Clone(e.GetConnection()).(*eventv1.Connection))
	}, collectors.Env{Stats: new(collectors.Stats), Names: &k.called}, eventv1.Rung_RUNG_NETLINK)
	k.dump() // the first one counts as what was there before
	return k
}

func (k *tracked) dump(open ...socket) {
	k.begin()
	for i := range open {
		k.see(&open[i], open[i].protocol, k.now)
	}
	k.end(k.now)
	k.now = k.now.Add(5 * time.Second)
}

func (k *tracked) close(s socket) {
	s.state = stateClose
	k.closed(&s, k.now)
}

// TestTrackerNames: what goes out is called by the name that was looked up for its
// address; who calls us is not.
func TestTrackerNames(t *testing.T) {
	k := newTracked()
	k.called.Answered(0, netip.MustParseAddr("198.51.100.7"), k.now.UnixNano(), "a.example")
	k.now = k.now.Add(time.Second)
	k.dump(tcp(9, stateListen, "192.0.2.1:22", "0.0.0.0:0"))
	k.close(tcp(1, stateEstablished, "192.0.2.1:40000", "198.51.100.7:443"))
	k.close(tcp(2, stateEstablished, "192.0.2.1:22", "198.51.100.7:50000"))
	k.close(tcp(3, stateEstablished, "192.0.2.1:40001", "198.51.100.8:443"))
	for i, want := range []string{"a.example", "", ""} {
		if got := k.events[i]; got.Domain != want || got.DomainSource != eventv1.NameSource_NAME_SOURCE_DNS && want != "" {
			t.Errorf("connection %d is called %q by %v; want %q by DNS", i, got.Domain, got.DomainSource, want)
		}
	}
}

func TestTrackerJoinsDumpAndEnd(t *testing.T) {
	k := newTracked()
	s := tcp(1, stateEstablished, "192.0.2.1:40000", "198.51.100.7:443")
	k.dump(s)
	k.wanted(func(h *holder) { h.owner = &owner{name: "curl", path: "/usr/bin/curl", user: "ada", sid: "1000"} })
	k.close(s)
	if len(k.events) != 1 || len(k.flows) != 0 {
		t.Fatalf("%d events, %d flows; want 1, 0", len(k.events), len(k.flows))
	}
	c := k.events[0]
	if c.GetProgram().GetName() != "curl" || c.GetUser().GetSid() != "1000" || c.GetAddress() != "198.51.100.7" || c.GetPort() != 443 ||
		c.GetDirection() != eventv1.Direction_DIRECTION_OUTBOUND || c.GetOutcome() != eventv1.Outcome_OUTCOME_ESTABLISHED ||
		c.GetBytesOut() != 100 || c.GetBytesIn() != 200 || c.GetDurationMs() != 5000 || c.GetRttMinUs() != 500 || c.GetInterim() {
		t.Errorf("event = %v; want curl's connection to 198.51.100.7:443, 100 out, 200 in, 5 s", c)
	}
}

func TestTrackerDirection(t *testing.T) {
	k := newTracked()
	listener := tcp(9, stateListen, "192.0.2.1:22", "0.0.0.0:0")
	k.dump(listener)
	k.wanted(func(h *holder) { h.owner = &owner{name: "sshd"} })
	short := tcp(1, stateEstablished, "192.0.2.1:22", "198.51.100.7:50000")
	k.close(short)
	if c := k.events[0]; c.GetDirection() != eventv1.Direction_DIRECTION_INBOUND || c.GetPort() != 22 || c.GetProgram().GetName() != "sshd" {
		t.Errorf("event = %v; want inbound at port 22 to sshd, though no dump saw it", c)
	}
	k.dump() // the listener closed
	k.close(tcp(2, stateEstablished, "192.0.2.1:22", "198.51.100.7:50001"))
	if c := k.events[1]; c.GetDirection() != eventv1.Direction_DIRECTION_INBOUND {
		t.Errorf("direction right after the listener closed = %v; want inbound", c.GetDirection())
	}
	k.dump()
	k.close(tcp(3, stateEstablished, "192.0.2.1:22", "198.51.100.7:50002"))
	if c := k.events[2]; c.GetDirection() != eventv1.Direction_DIRECTION_OUTBOUND || len(k.listeners) != 0 {
		t.Errorf("direction long after = %v, %d listeners; want outbound, 0", c.GetDirection(), len(k.listeners))
	}
	k.close(listener)
	if len(k.events) != 3 {
		t.Error("the end of a listener was reported; want nothing")
	}
}

func TestTrackerHoldsWhatIsMissing(t *testing.T) {
	s := tcp(1, stateEstablished, "192.0.2.1:40000", "198.51.100.7:443")
	t.Run("a dead socket that a program holds", func(t *testing.T) {
		k := newTracked()
		k.dump(s)
		for range 100 {
			k.dump()
		}
		if len(k.events) != 0 {
			t.Fatalf("%d events; want none before the end is told", len(k.events))
		}
		k.close(s)
		if len(k.events) != 1 {
			t.Errorf("%d events; want 1", len(k.events))
		}
	})
	t.Run("after an overrun", func(t *testing.T) {
		k := newTracked()
		k.dump(s)
		k.overrun()
		for range 4 {
			k.dump()
		}
		if len(k.events) != 1 || len(k.flows) != 0 {
			t.Errorf("%d events, %d flows; want 1, 0", len(k.events), len(k.flows))
		}
	})
	t.Run("for ever", func(t *testing.T) {
		k := newTracked()
		k.dump(s)
		k.dump()
		k.now = k.now.Add(forgetAfter)
		k.dump()
		if len(k.events) != 1 || len(k.flows) != 0 {
			t.Errorf("%d events, %d flows; want 1, 0", len(k.events), len(k.flows))
		}
	})
}

func TestTrackerLeavesOutWhatWasBefore(t *testing.T) {
	k := newTracked()
	k.dumps = 0
	s := tcp(1, stateEstablished, "192.0.2.1:40000", "198.51.100.7:443")
	k.dump(s)
	s.info.bytesOut += 50
	s.info.bytesAcked += 50
	k.close(s)
	if c := k.events[0]; c.GetBytesOut() != 50 || c.GetBytesIn() != 0 {
		t.Errorf("bytes = %d out, %d in; want 50, 0: the growth since the agent came", c.GetBytesOut(), c.GetBytesIn())
	}
}

func TestTrackerHidesOwnAddress(t *testing.T) {
	k := newTracked()
	k.own(netip.MustParseAddr("192.0.2.1"))
	k.close(tcp(1, stateEstablished, "192.0.2.1:40000", "192.0.2.1:443"))
	if c := k.events[0]; c.GetAddress() != "127.0.0.1" || c.GetScope() != eventv1.Scope_SCOPE_LOOPBACK {
		t.Errorf("address, scope = %q, %v; want those of loopback", c.GetAddress(), c.GetScope())
	}
}

func TestParseInUse(t *testing.T) {
	const text = "sockets: used 58\nTCP: inuse 4 orphan 0 tw 7 alloc 9 mem 1\nUDP: inuse 2 mem 0\nUDPLITE: inuse 3\nRAW: inuse 1\n"
	if got, want := parseInUse(text), "TCP 4;UDP 2;"; got != want {
		t.Errorf("parseInUse() = %q; want %q", got, want)
	}
	if got := parseInUse("sockets: used 1\n"); got != "" {
		t.Errorf("parseInUse(neither) = %q; want nothing", got)
	}
}

func FuzzParseInUse(f *testing.F) {
	f.Add("TCP: inuse 4 orphan 0\nUDP6: inuse 2\n")
	f.Fuzz(func(t *testing.T, in string) {
		if got := parseInUse(in); len(got) > 512 {
			t.Errorf("parseInUse() of %d bytes = %d bytes; want it bounded", len(in), len(got))
		}
	})
}

func FuzzParseSocket(f *testing.F) {
	f.Add(encodeSocket(tcp(1, stateEstablished, "192.0.2.1:40000", "198.51.100.7:443")))
	f.Add(encodeSocket(tcp(2, stateListen, "[2001:db8::1]:1", "[::]:0")))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, ok := parseSocket(b)
		if !ok {
			return
		}
		k := newTracked()
		k.dump(s)
		k.interim(k.now)
		k.close(s)
		if len(k.events) > 2 {
			t.Errorf("%d events of one socket; want at most 2", len(k.events))
		}
	})
}

func BenchmarkParseSocket(b *testing.B) {
	data := encodeSocket(tcp(1, stateEstablished, "192.0.2.1:40000", "198.51.100.7:443"))
	frame := append(netlink.AppendHeader(nil, diagByFamily, 0, 0, len(data)), data...)
	b.ReportAllocs()
	for b.Loop() {
		m, _, _ := netlink.Next(frame)
		if _, ok := parseSocket(m.Data); !ok {
			b.Fatal("not parsed")
		}
	}
}

func BenchmarkClosed(b *testing.B) {
	k := newTracker(func(*eventv1.Event) {}, collectors.Env{Stats: new(collectors.Stats)}, eventv1.Rung_RUNG_NETLINK)
	s := tcp(1, stateClose, "192.0.2.1:40000", "198.51.100.7:443")
	b.ReportAllocs()
	for b.Loop() {
		k.closed(&s, time.Time{})
	}
}
