package connection

import (
	"errors"
	"os"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// openedTraced opens the rung EBPF, or ends the test with the reason.
func openedTraced(t *testing.T, r *running, set func(*ebpf.CollectionSpec) error) *traced {
	t.Helper()
	src, err := openTracedWith(testEnv(&r.stats), set)
	if err != nil {
		if errors.Is(err, collectors.ErrDenied) && os.Getuid() != 0 {
			t.Skipf("needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (capabilities(7)): %v", err)
		}
		t.Fatal(err)
	}
	return src.(*traced)
}

func startTraced(t *testing.T) *running {
	t.Helper()
	r := &running{}
	start(t, r, openedTraced(t, r, nil).run)
	return r
}

func TestEBPFSeesEveryConnection(t *testing.T) { ebpfSeesEvery(t, 300) }

func ebpfSeesEvery(t *testing.T, n int) {
	for _, tt := range []struct{ name, network, address string }{
		{"IPv4", "tcp4", "127.0.0.1:0"},
		{"IPv6", "tcp6", "[::1]:0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const out, in = 1000, 5000
			r := startTraced(t)
			l, port := listenTCP(t, tt.network, tt.address)
			for i := range n {
				if err := exchange(l, out+i, in+2*i, i%2 == 0); err != nil {
					t.Fatal(err)
				}
			}
			events := r.await("both ends of all connections", func(e []*eventv1.Event) bool { return len(to(e, port)) >= 2*n })
			r.stopNow()
			checkExact(t, to(events, port), n, out, in)
			if lost := r.stats.Lost(); lost != 0 {
				t.Errorf("Lost() = %d; want 0", lost)
			}
		})
	}
}

// checkExact: every end once, with its bytes to the last one, and its owner.
func checkExact(t *testing.T, found []*eventv1.Connection, n, out, in int) {
	t.Helper()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	type end struct {
		direction eventv1.Direction
		out, in   uint64
	}
	seen := map[end]int{}
	for _, c := range found {
		seen[end{c.GetDirection(), c.GetBytesOut(), c.GetBytesIn()}]++
		if c.GetOutcome() != eventv1.Outcome_OUTCOME_ESTABLISHED || c.GetScope() != eventv1.Scope_SCOPE_LOOPBACK {
			t.Errorf("connection = %v; want established, loopback", c)
		}
		if c.GetProgram().GetPath() != exe || c.GetUser().GetSid() != "0" {
			t.Errorf("%v: program %v, user %v; want this test's", c.GetDirection(), c.GetProgram(), c.GetUser())
		}
		if c.GetRttAvgUs() == 0 || c.GetRttMinUs() == 0 || c.GetRttMaxUs() < c.GetRttAvgUs() || c.GetSegmentsOut() == 0 || c.GetSegmentsIn() == 0 {
			t.Errorf("connection = %v; want its RTT and segments", c)
		}
		if (c.GetConnectUs() > 0) != (c.GetDirection() == eventv1.Direction_DIRECTION_OUTBOUND) {
			t.Errorf("%v: connect_us = %d; want one of whoever called", c.GetDirection(), c.GetConnectUs())
		}
	}
	for i := range n {
		for _, e := range []end{
			{eventv1.Direction_DIRECTION_OUTBOUND, uint64(out + i), uint64(in + 2*i)},
			{eventv1.Direction_DIRECTION_INBOUND, uint64(in + 2*i), uint64(out + i)},
		} {
			if seen[e] != 1 {
				t.Errorf("%v with %d bytes out, %d in: seen %d times; want 1", e.direction, e.out, e.in, seen[e])
			}
			delete(seen, e)
		}
	}
	if len(seen) > 0 {
		t.Errorf("ends that never were: %v", seen)
	}
}
