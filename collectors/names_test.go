package collectors

import (
	"math"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

func TestNames(t *testing.T) {
	const tcp = eventv1.Transport_TRANSPORT_TCP
	shared, own := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	var n Names
	n.Answered(7, shared, 1, "a.example")
	n.Answered(7, own, 1, "own.example")
	if n.Answered(8, shared, 1, "b.example") {
		t.Error("Answered() of the first name of a process = ambiguous; want not")
	}
	if !n.Answered(7, shared, 1, "c.example") {
		t.Error("Answered() of a second name = not ambiguous; want it")
	}
	said := Flow{tcp, 1234, netip.AddrPortFrom(shared, 443)}
	n.Called(said, 1, Name{Domain: "said.example", Source: eventv1.NameSource_NAME_SOURCE_SNI})
	n.Called(Flow{tcp, 5, netip.AddrPortFrom(own, 443)}, 1, Name{})
	tests := []struct {
		name      string
		flow      Flow
		process   uint64
		want      string
		ambiguous bool
	}{
		{"what it said", said, 7, "said.example", false},
		{"what it said, by anybody", said, 0, "said.example", false},
		{"another port", Flow{tcp, 1235, said.Remote}, 7, "c.example", true},
		{"another process", Flow{tcp, 1235, said.Remote}, 8, "b.example", false},
		{"a process that asked nothing", Flow{tcp, 1235, said.Remote}, 9, "c.example", true},
		{"the only name", Flow{tcp, 5, netip.AddrPortFrom(own, 443)}, 7, "own.example", false},
		{"an address without a name", Flow{tcp, 1, netip.MustParseAddrPort("192.0.2.9:1")}, 7, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := n.Find(tt.flow, tt.process, 1, 1)
			if got.Domain != tt.want || got.Ambiguous != tt.ambiguous || ok != (tt.want != "") {
				t.Errorf("Find() = %q, ambiguous %v, %v; want %q, %v", got.Domain, got.Ambiguous, ok, tt.want, tt.ambiguous)
			}
		})
	}
	n.Forget()
	if got, ok := n.Find(said, 7, 1, 1); ok {
		t.Errorf("Find() after Forget() = %v; want nothing", got.Domain != "")
	}
}

// TestNamesInTime: what counts is what was known when the connection began.
func TestNamesInTime(t *testing.T) {
	const tcp, second = eventv1.Transport_TRANSPORT_TCP, int64(time.Second)
	addr := netip.MustParseAddr("192.0.2.1")
	f := Flow{tcp, 1234, netip.AddrPortFrom(addr, 443)}
	var n Names
	for i, domain := range []string{"a.example", "b.example", "b.example", "a.example"} {
		n.Answered(7, addr, int64(i+1)*second, domain)
	}
	n.Called(f, 5*second, Name{Domain: "said.example"})
	tests := []struct {
		name      string
		from, to  int64
		want      string
		ambiguous bool
	}{
		{"before any", 0, 0, "said.example", false},
		{"the port's next connection", 6 * second, 6 * second, "a.example", true},
		{"the port's next connection, when b was asked for", 6 * second, 3 * second, "b.example", true},
		{"a little later", 6 * second, second + 1, "a.example", true},
		{"none yet", 6 * second, second - 1, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := n.Find(f, 7, tt.from, tt.to); got.Domain != tt.want || got.Ambiguous != tt.ambiguous {
				t.Errorf("Find() = %q, ambiguous %v; want %q, %v", got.Domain, got.Ambiguous, tt.want, tt.ambiguous)
			}
		})
	}
	for i := range 3 * maxAnswers { // one after another
		n.Answered(7, addr, int64(100+i)*second, string(rune('a'+i%2))+".example")
	}
	own, _ := n.own.get(lookup{7, addr})
	if got := len(own.list); got > int(askedWithin/time.Second)+2 {
		t.Errorf("%d names of one address are kept; want those of %v and one", got, askedWithin)
	}
	for i := range 3 * maxAnswers { // all at once
		n.Answered(7, addr, 1000*second, string(rune('a'+i%2))+".example")
	}
	own, _ = n.own.get(lookup{7, addr})
	if got := len(own.list); got > maxAnswers || !own.shared {
		t.Errorf("%d names of one address are kept, shared %v; want at most %d, true", got, own.shared, maxAnswers)
	}
}

// TestUntil: nobody waits for names that nobody enters.
func TestUntil(t *testing.T) {
	var none *Names
	var n Names
	none.Entered(5)
	for i, got := range []int64{none.Until(), n.Until()} {
		if got != math.MaxInt64 {
			t.Errorf("Until() of %d = %d; want for ever", i, got)
		}
	}
	n.Entered(5)
	if got := n.Until(); got != 5 {
		t.Errorf("Until() = %d; want 5", got)
	}
	if n.Forget(); n.Until() != math.MaxInt64 {
		t.Error("Until() after Forget() = a time; want for ever")
	}
}

func TestNamesAreBounded(t *testing.T) {
	var n Names
	for i := range 10 * maxNames {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		n.Answered(uint64(i+1), addr, 1, "a.example")
		n.Called(Flow{Remote: netip.AddrPortFrom(addr, 1)}, 1, Name{Domain: "a.example"})
		if got := len(n.own.young) + len(n.own.old); got > maxNames {
			t.Fatalf("keeps %d; want at most %d", got, maxNames)
		}
		if _, ok := n.Find(Flow{Remote: netip.AddrPortFrom(addr, 1)}, 0, 1, 1); !ok {
			t.Fatalf("entry %d is not there", i)
		}
	}
}

func TestNamesAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Names
		addr := netip.MustParseAddr("192.0.2.1")
		f := Flow{Remote: netip.AddrPortFrom(addr, 1)}
		n.Answered(0, addr, 1, "a.example")
		time.Sleep(nameAge / 2)
		if _, ok := n.Find(f, 0, 1, 1); !ok {
			t.Errorf("Find() after %v = nothing; want it", nameAge/2)
		}
		n.Answered(0, netip.MustParseAddr("192.0.2.2"), 1, "b.example")
		time.Sleep(nameAge + time.Second)
		if _, ok := n.Find(f, 0, 1, 1); ok {
			t.Errorf("Find() after %v = a name; want nothing", nameAge)
		}
	})
}

// TestNoNames: whoever has none asks all the same.
func TestNoNames(t *testing.T) {
	var n *Names
	n.Called(Flow{}, 1, Name{Domain: "a.example"})
	n.Answered(0, netip.Addr{}, 1, "a.example")
	n.Forget()
	if _, ok := n.Find(Flow{}, 0, 1, 1); ok || n.Looked(0, netip.Addr{}, "a.example") {
		t.Error("no names know one")
	}
}

func TestNamesTogether(t *testing.T) {
	var n Names
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 500 {
				addr := netip.AddrFrom4([4]byte{10, 0, byte(i), byte(j)})
				n.Answered(1, addr, 1, "a.example")
				n.Find(Flow{Remote: netip.AddrPortFrom(addr, 1)}, 1, 1, 1)
			}
		})
	}
	all.Wait()
}
