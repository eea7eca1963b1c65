package connection

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/etw"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// scene plays events and notes what is told.
type scene struct {
	*traffic
	told  []string
	stats collectors.Stats
	at    time.Time
}

func newScene() *scene {
	s := &scene{at: time.Unix(1_800_000_000, 0)}
	track := newTracker(func(ev *eventv1.Event) {
		c := ev.GetConnection()
		text := fmt.Sprintf("%s %v %v %s:%d of %s %v in %d out %d", short(c.GetTransport()), short(c.GetDirection()), short(c.GetScope()),
			c.GetAddress(), c.GetPort(), c.GetProgram().GetName(), short(c.GetOutcome()), c.GetBytesIn(), c.GetBytesOut())
		if c.GetInterim() {
			text += " so far"
		}
		if c.GetRetransmits()+c.GetSegmentsIn()+c.GetSegmentsOut() > 0 {
			text += fmt.Sprintf(" again %d packets %d+%d", c.GetRetransmits(), c.GetSegmentsIn(), c.GetSegmentsOut())
		}
		s.told = append(s.told, fmt.Sprintf("%s after %d ms", text, c.GetDurationMs()))
	}, collectors.Env{Stats: &s.stats}, eventv1.Rung_RUNG_ETW)
	track.own(netip.MustParseAddr("10.0.0.1"))
	s.traffic = newTraffic(track, func(pid uint32) *owner { return &owner{name: fmt.Sprint("p", pid)} })
	return s
}

// short cuts an enum's name to its last word.
func short(v fmt.Stringer) string {
	s := v.String()
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '_' {
			return s[i+1:]
		}
	}
	return s
}

// event plays one, a second after the one before.
func (s *scene) event(kind etw.Kind, from, to string, bytes uint32) {
	s.at = s.at.Add(time.Second)
	s.take(&etw.Traffic{Kind: kind, PID: 9, Bytes: bytes, Source: netip.MustParseAddrPort(from), Destination: netip.MustParseAddrPort(to)}, s.at)
}

func (s *scene) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	slices.Sort(s.told)
	slices.Sort(want)
	if !slices.Equal(s.told, want) {
		t.Errorf("%s: told\n\t%q; want\n\t%q", when, s.told, want)
	}
	s.told = nil
}

const here, there = "10.0.0.1:50000", "192.0.2.1:443"

func TestTrafficTCP(t *testing.T) {
	for name, received := range map[string][2]string{"this end first": {here, there}, "the other end first": {there, here}} {
		s := newScene()
		s.event(etw.Connected, here, there, 0)
		s.event(etw.Sent, here, there, 100)
		s.event(etw.Received, received[0], received[1], 3000)
		s.event(etw.Retransmitted, here, there, 100)
		s.interim(s.at)
		s.expect(t, name, "TCP OUTBOUND PUBLIC 192.0.2.1:443 of p9 UNSPECIFIED in 3000 out 100 so far again 1 packets 0+0 after 3000 ms")
		s.event(etw.Disconnected, here, there, 0)
		s.event(etw.Received, received[0], received[1], 7)
		s.sweep(s.at)
		s.expect(t, name+", its last data may still come")
		s.sweep(s.at.Add(time.Second))
		s.expect(t, name, "TCP OUTBOUND PUBLIC 192.0.2.1:443 of p9 ESTABLISHED in 7 out 0 after 4000 ms")
		if len(s.flows) != 0 || s.waits() {
			t.Errorf("%s: %d flows left, waits %v; want none", name, len(s.flows), s.waits())
		}
	}
}

func TestTrafficKinds(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(s *scene)
		want []string
	}{
		{"accepted", func(s *scene) {
			s.event(etw.Accepted, "10.0.0.1:22", "192.0.2.9:50001", 0)
			s.event(etw.Disconnected, "10.0.0.1:22", "192.0.2.9:50001", 0)
		}, []string{"TCP INBOUND PUBLIC 192.0.2.9:22 of p9 ESTABLISHED in 0 out 0 after 1000 ms"}},
		{"called, and nothing passed", func(s *scene) {
			s.event(etw.Connected, here, there, 0)
			s.event(etw.Disconnected, here, there, 0)
		}, []string{"TCP OUTBOUND PUBLIC 192.0.2.1:443 of p9 UNSPECIFIED in 0 out 0 after 1000 ms"}},
		{"the same ends anew", func(s *scene) {
			s.event(etw.Connected, here, there, 0)
			s.event(etw.Sent, here, there, 1)
			s.event(etw.Connected, here, there, 0)
			s.event(etw.Sent, here, there, 2)
			s.event(etw.Disconnected, here, there, 0)
		}, []string{
			"TCP OUTBOUND PUBLIC 192.0.2.1:443 of p9 ESTABLISHED in 0 out 1 after 1000 ms",
			"TCP OUTBOUND PUBLIC 192.0.2.1:443 of p9 ESTABLISHED in 0 out 2 after 2000 ms",
		}},
		{"older than the agent, to an open port", func(s *scene) {
			s.listens[22] = true
			s.event(etw.Sent, "10.0.0.1:22", "192.0.2.9:50001", 5)
			s.event(etw.Disconnected, "10.0.0.1:22", "192.0.2.9:50001", 0)
		}, []string{"TCP INBOUND PUBLIC 192.0.2.9:22 of p9 ESTABLISHED in 0 out 5 after 0 ms"}},
		{"an end of which nothing was told", func(s *scene) {
			s.event(etw.Disconnected, here, there, 0)
			s.event(etw.Retransmitted, here, there, 9)
		}, nil},
		{"UDP out and back", func(s *scene) {
			s.event(etw.SentUDP, "10.0.0.1:5000", "192.0.2.53:53", 40)
			s.event(etw.ReceivedUDP, "192.0.2.53:53", "10.0.0.1:5000", 90)
		}, []string{"UDP OUTBOUND PUBLIC 192.0.2.53:53 of p9 UNSPECIFIED in 90 out 40 again 0 packets 1+1 after 1000 ms"}},
		{"UDP in", func(s *scene) {
			s.event(etw.ReceivedUDP, "192.0.2.9:4000", "10.0.0.1:5353", 90)
		}, []string{"UDP INBOUND PUBLIC 192.0.2.9:5353 of p9 UNSPECIFIED in 90 out 0 again 0 packets 1+0 after 0 ms"}},
		{"UDP to nobody", func(s *scene) { s.event(etw.SentUDP, "10.0.0.1:5000", "0.0.0.0:53", 40) }, nil},
		{"to its own address", func(s *scene) {
			s.event(etw.Connected, here, "10.0.0.1:80", 0)
			s.event(etw.Disconnected, here, "10.0.0.1:80", 0)
		}, []string{"TCP OUTBOUND LOOPBACK 127.0.0.1:80 of p9 UNSPECIFIED in 0 out 0 after 1000 ms"}},
	} {
		s := newScene()
		c.play(s)
		s.sweep(s.at.Add(silentUDP))
		s.expect(t, c.name, c.want...)
	}
}

// TestTrafficLook: the table tells of connections that are older than the agent, and
// which have ended unheard.
func TestTrafficLook(t *testing.T) {
	s := newScene()
	rows := []row{rowOf(here, there), rowOf("10.0.0.1:22", "192.0.2.9:50001"), {state: ntListen, local: netip.MustParseAddrPort("0.0.0.0:22")}}
	each := func(do func(*row)) error {
		for i := range rows {
			do(&rows[i])
		}
		return nil
	}
	fresh := 0
	measure := func(info *tcpInfo, _ *row, first bool) {
		if first {
			fresh++
		}
		info.rttUS, info.minRTTUS = 500, 400
	}
	look := func(first bool) {
		t.Helper()
		if err := s.look(each, measure, s.at, first); err != nil {
			t.Fatal(err)
		}
	}
	look(true)
	look(false)
	if len(s.flows) != 2 || fresh != 2 {
		t.Errorf("%d flows, %d measured for the first time; want 2, 2", len(s.flows), fresh)
	}
	if f := s.flows[pairKey{local: rows[0].local, remote: rows[0].remote}]; f == nil || f.info.rttUS != 500 || f.rttMaxUS != 500 {
		t.Errorf("flow %+v; want one with a round trip of 500 us", f)
	}
	s.event(etw.Connected, here, there, 0) // what the session kept since before the look
	s.expect(t, "told twice")
	s.event(etw.Sent, here, there, 8)
	rows = nil
	s.at = s.at.Add(silentTCP)
	look(false)
	if len(s.told) != 2 {
		t.Fatalf("told %q; want both ends", s.told)
	}
	broken := errors.New("broken")
	if err := s.look(func(func(*row)) error { return broken }, measure, s.at, false); !errors.Is(err, broken) {
		t.Errorf("look = %v; want %v", err, broken)
	}
}

func TestTrafficBound(t *testing.T) {
	s := newScene()
	for i := range maxFlows + 3 {
		remote := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 16), byte(i >> 8)}), uint16(i)|1<<8)
		s.take(&etw.Traffic{Kind: etw.Connected, Source: netip.MustParseAddrPort(here), Destination: remote}, s.at)
	}
	if len(s.flows) != maxFlows || s.stats.Lost() != 3 {
		t.Errorf("%d flows, %d lost; want %d, 3", len(s.flows), s.stats.Lost(), maxFlows)
	}
}

// BenchmarkTrafficTake is what an event of data costs.
func BenchmarkTrafficTake(b *testing.B) {
	s := newScene()
	s.event(etw.Connected, here, there, 0)
	e := etw.Traffic{Kind: etw.Received, PID: 9, Bytes: 1460, Source: netip.MustParseAddrPort(here), Destination: netip.MustParseAddrPort(there)}
	b.ReportAllocs()
	for b.Loop() {
		s.take(&e, s.at)
	}
}
