package collectors

import (
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
	n.Answered(7, shared, "a.example")
	n.Answered(7, own, "own.example")
	if n.Answered(8, shared, "b.example") {
		t.Error("Answered() of the first name of a process = ambiguous; want not")
	}
	if !n.Answered(7, shared, "c.example") {
		t.Error("Answered() of a second name = not ambiguous; want it")
	}
	said := Flow{tcp, 1234, netip.AddrPortFrom(shared, 443)}
	n.Called(said, Name{Domain: "said.example", Source: eventv1.NameSource_NAME_SOURCE_SNI})
	n.Called(Flow{tcp, 5, netip.AddrPortFrom(own, 443)}, Name{})
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
			got, ok := n.Find(tt.flow, tt.process)
			if got.Domain != tt.want || got.Ambiguous != tt.ambiguous || ok != (tt.want != "") {
				t.Errorf("Find() = %q, ambiguous %v, %v; want %q, %v", got.Domain, got.Ambiguous, ok, tt.want, tt.ambiguous)
			}
		})
	}
	n.Forget()
	if got, ok := n.Find(said, 7); ok {
		t.Errorf("Find() after Forget() = %v; want nothing", got.Domain != "")
	}
}

func TestNamesAreBounded(t *testing.T) {
	var n Names
	for i := range 10 * maxNames {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		n.Answered(uint64(i+1), addr, "a.example")
		n.Called(Flow{Remote: netip.AddrPortFrom(addr, 1)}, Name{Domain: "a.example"})
		if got := len(n.own.young) + len(n.own.old); got > maxNames {
			t.Fatalf("keeps %d; want at most %d", got, maxNames)
		}
		if _, ok := n.Find(Flow{Remote: netip.AddrPortFrom(addr, 1)}, 0); !ok {
			t.Fatalf("entry %d is not there", i)
		}
	}
}

func TestNamesAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Names
		addr := netip.MustParseAddr("192.0.2.1")
		f := Flow{Remote: netip.AddrPortFrom(addr, 1)}
		n.Answered(0, addr, "a.example")
		time.Sleep(nameAge / 2)
		if _, ok := n.Find(f, 0); !ok {
			t.Errorf("Find() after %v = nothing; want it", nameAge/2)
		}
		n.Answered(0, netip.MustParseAddr("192.0.2.2"), "b.example")
		time.Sleep(nameAge + time.Second)
		if _, ok := n.Find(f, 0); ok {
			t.Errorf("Find() after %v = a name; want nothing", nameAge)
		}
	})
}

// TestNoNames: whoever has none asks all the same.
func TestNoNames(t *testing.T) {
	var n *Names
	n.Called(Flow{}, Name{Domain: "a.example"})
	n.Answered(0, netip.Addr{}, "a.example")
	n.Forget()
	if _, ok := n.Find(Flow{}, 0); ok || n.Looked(0, netip.Addr{}, "a.example") {
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
				n.Answered(1, addr, "a.example")
				n.Find(Flow{Remote: netip.AddrPortFrom(addr, 1)}, 1)
			}
		})
	}
	all.Wait()
}
