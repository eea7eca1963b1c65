package connection

import (
	"net"
	"testing"
	"time"

	gnet "github.com/shirou/gopsutil/v3/net"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// BenchmarkLook measures one look with 100 connections held open (200 sockets),
// and the same list from gopsutil.
func BenchmarkLook(b *testing.B) {
	var stats collectors.Stats
	d, err := newDiag(testEnv(&stats), closedBuffer)
	if err != nil {
		b.Skip(err)
	}
	defer d.close()
	hold(b, 100)
	d.track = newTracker(func(*eventv1.Event) {}, collectors.Env{Stats: &stats}, eventv1.Rung_RUNG_NETLINK)
	d.owners = newOwners(d.env)
	for range 3 { // until owners are found, or given up
		if err := d.look(time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("sock_diag", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := d.look(time.Now()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(d.track.flows)), "flows")
	})
	b.Run("find_one_owner", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, f := range d.track.flows {
				f.owner, f.tries = nil, 0
				break
			}
			d.owners.find(d.track)
		}
	})
	b.Run("find_nobodys_owner", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.track.listeners[0] = &listener{holder: holder{inode: 1<<32 - 1}}
			d.owners.find(d.track)
			delete(d.track.listeners, 0)
		}
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

// hold keeps n connections open until the benchmark ends.
func hold(b *testing.B, n int) {
	b.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Skip(err)
	}
	b.Cleanup(func() { l.Close() })
	for range n {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Close() })
		s, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
	}
}
