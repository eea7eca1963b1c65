package connection

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/libproc"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

type fakeSockets struct {
	tcp, udp []libproc.Socket
	asked    int
}

func (f *fakeSockets) sockets(protocol string) ([]libproc.Socket, error) {
	if protocol == "udp" {
		return f.udp, nil
	}
	return f.tcp, nil
}

func (f *fakeSockets) owner(pid, uid uint32) *owner {
	f.asked++
	return &owner{name: fmt.Sprintf("p%d", pid), path: fmt.Sprintf("/usr/bin/p%d", pid), user: "jdoe", sid: fmt.Sprint(uid)}
}

// TestListed follows the lists over several looks: what is there at first has no
// age, what is gone has ended, a handle that is used anew is another connection.
func TestListed(t *testing.T) {
	port := netip.MustParseAddrPort
	out := libproc.Socket{Handle: 1, PID: 10, UID: 501, Local: port("10.0.0.2:50000"), Remote: port("192.0.2.1:443"), State: 4}
	listens := libproc.Socket{Handle: 2, PID: 11, Local: port("0.0.0.0:22"), Remote: port("0.0.0.0:0"), State: libproc.StateListen}
	in := libproc.Socket{Handle: 3, PID: 11, Local: port("10.0.0.2:22"), Remote: port("10.0.0.9:4000"), State: 4}
	closing, waits := out, out
	closing.State, waits.State = 5, libproc.StateTimeWait
	other := out
	other.Remote, other.PID = port("192.0.2.2:443"), 12
	udp := libproc.Socket{Handle: 1, PID: 13, Local: port("10.0.0.2:50001"), Remote: port("192.0.2.9:53"), State: -1}
	unconnected := libproc.Socket{Handle: 5, PID: 13, Local: port("0.0.0.0:5353"), Remote: port("0.0.0.0:0"), State: -1}
	self := libproc.Socket{Handle: 6, PID: 14, Local: port("10.0.0.2:50005"), Remote: port("10.0.0.2:80"), State: 4}
	f := &fakeSockets{}
	var got []string
	l := newListed(collectors.Env{Stats: &collectors.Stats{}}, f)
	l.begin(func(e *eventv1.Event) {
		c := e.Kind.(*eventv1.Event_Connection).Connection
		got = append(got, fmt.Sprintf("%s %s:%d %v %v %dms in=%d out=%d %v", c.Program.Name, c.Address, c.Port, c.Transport, c.Direction, c.DurationMs, c.BytesIn, c.BytesOut, c.Outcome))
	})
	const rest = "in=0 out=0 OUTCOME_UNSPECIFIED"
	start := time.Unix(1790000000, 0)
	for i, look := range []struct {
		name     string
		tcp, udp []libproc.Socket
		want     []string
	}{
		{"at first", []libproc.Socket{out, listens}, []libproc.Socket{unconnected}, nil},
		{"more", []libproc.Socket{closing, listens, in, self}, []libproc.Socket{udp, unconnected}, nil},
		{"one waits, one is gone", []libproc.Socket{waits, listens}, []libproc.Socket{udp}, []string{
			"p10 192.0.2.1:443 TRANSPORT_TCP DIRECTION_OUTBOUND 0ms " + rest,
			"p11 10.0.0.9:22 TRANSPORT_TCP DIRECTION_INBOUND 10000ms " + rest,
			"p14 127.0.0.1:80 TRANSPORT_TCP DIRECTION_OUTBOUND 10000ms " + rest,
		}},
		{"the handle is another's", []libproc.Socket{other}, nil, []string{"p13 192.0.2.9:53 TRANSPORT_UDP DIRECTION_OUTBOUND 20000ms " + rest}},
		{"nothing", nil, nil, []string{"p12 192.0.2.2:443 TRANSPORT_TCP DIRECTION_OUTBOUND 10000ms " + rest}},
	} {
		got, f.tcp, f.udp = nil, look.tcp, look.udp
		if err := l.look(start.Add(time.Duration(i) * listsEvery)); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if !reflect.DeepEqual(got, look.want) {
			t.Errorf("%s: %q; want %q", look.name, got, look.want)
		}
	}
	if f.asked != 5 || len(l.names.before) != 0 {
		t.Errorf("owners asked for %d times, %d names left; want 5 and none", f.asked, len(l.names.before))
	}
}
