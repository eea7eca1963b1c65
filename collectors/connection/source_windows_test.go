package connection

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	gnet "github.com/shirou/gopsutil/v3/net"
	"golang.org/x/sys/windows"
	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// pair opens a connection to this program itself, over loopback of a family.
func pair(t testing.TB, address string) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// TestTablesSeeAConnection opens a connection and closes it, and wants it told with
// its other end, and with its owner where the system knows one.
func TestTablesSeeAConnection(t *testing.T) {
	for _, c := range []struct {
		name, listen, address string
		owned                 bool // Wine 8 knows no owner of a socket of IPv6
	}{
		{"IPv4", "127.0.0.1:0", "127.0.0.1", true},
		{"IPv6", "[::1]:0", "::1", !underWine()},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{}}
			src, err := openTables(env)
			if err != nil {
				t.Fatal(err)
			}
			s := src.(*tables)
			ends := map[uint32]*eventv1.Connection{}
			track := newTracker(func(ev *eventv1.Event) {
				e := proto.CloneOf(ev.GetConnection())
				ends[e.GetPort()] = e
			}, env, eventv1.Rung_RUNG_POLL)
			track.untold = true
			look := func() {
				t.Helper()
				if err := s.look.take(track, time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			look()
			client, server := pair(t, c.listen)
			port := uint32(client.RemoteAddr().(*net.TCPAddr).Port)
			look()
			client.Close()
			server.Close()
			look()
			me, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			told := ends[port]
			switch {
			case told == nil:
				t.Fatalf("%d ends of connections were told, and not this one's", len(ends))
			case told.GetAddress() != c.address || told.GetScope() != eventv1.Scope_SCOPE_LOOPBACK:
				t.Errorf("the other end has scope %v; want loopback of %s", told.GetScope(), c.name)
			case told.GetDirection() != eventv1.Direction_DIRECTION_OUTBOUND:
				t.Errorf("direction %v; want outbound", told.GetDirection())
			case told.GetOutcome() != eventv1.Outcome_OUTCOME_ESTABLISHED:
				t.Errorf("outcome %v; want established", told.GetOutcome())
			case c.owned && (told.GetProgram().GetPath() != me || told.GetUser().GetSid() == ""):
				t.Errorf("its program is %q; want this test", told.GetProgram().GetPath())
			}
		})
	}
}

// underWine reports whether Wine plays Windows.
func underWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}

// TestTablesEnd: run returns nil when ctx is done.
func TestTablesEnd(t *testing.T) {
	src, err := openTables(collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := src.run(ctx, func(*eventv1.Event) {}); err != nil {
		t.Errorf("run = %v; want nil", err)
	}
}

// BenchmarkLook is what one look at 200 connections costs, gopsutil's rung beside it.
func BenchmarkLook(b *testing.B) {
	for range 100 {
		client, server := pair(b, "127.0.0.1:0")
		b.Cleanup(func() { client.Close(); server.Close() })
	}
	env := collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{}}
	nobody := func(*eventv1.Event) {}
	b.Run("tables", func(b *testing.B) {
		l := newLooker()
		track := newTracker(nobody, env, eventv1.Rung_RUNG_POLL)
		track.untold = true
		b.ReportAllocs()
		for b.Loop() {
			if err := l.take(track, time.Now()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(track.flows)), "connections")
	})
	b.Run("gopsutil", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := gnet.Connections("inet"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestFallsBack: where the system does not let this program trace, the collector
// looks at tables and says why; else it traces.
func TestFallsBack(t *testing.T) {
	env := collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{}}
	c, err := New(env)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Run(ctx, func(*eventv1.Event) {}); err != nil {
		t.Fatal(err)
	}
	rung, note := env.Stats.Rung(), env.Stats.Note()
	fell := rung == eventv1.Rung_RUNG_POLL && strings.Contains(note, "trace session")
	if !fell && rung != eventv1.Rung_RUNG_ETW {
		t.Errorf("source %v, note %q; want ETW, or POLL with the reason", rung, note)
	}
}
