package domain

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// calls is what a client does in one test: a role of play.
type calls struct{ role string }

func (c calls) each(do func(what string, n int)) {
	for part := range strings.SplitSeq(c.role, ",") {
		what, count, _ := strings.Cut(part, ":")
		var n int
		fmt.Sscan(count, &n)
		do(what, n)
	}
}

// sourceOf is what each kind of call is seen by. The rest is DNS.
func sourceOf(what string) eventv1.NameSource {
	switch what {
	case "tls", "split":
		return eventv1.NameSource_NAME_SOURCE_SNI
	case "quic":
		return eventv1.NameSource_NAME_SOURCE_QUIC
	}
	return eventv1.NameSource_NAME_SOURCE_DNS
}

// seesEach runs real calls past a rung and compares what it told with them.
func seesEach(t *testing.T, rung eventv1.Rung, c calls) {
	serve(t)
	const uid = 4242
	var path string
	s, stats := collect(t, rung, func() { path = client(t, uid, c.role) }, func(s *seen) bool {
		all := true
		c.each(func(what string, n int) { all = all && s.count(what, n) == n })
		return all
	})
	c.each(func(what string, n int) {
		missing := 0
		for i := range n {
			events := s.of(nameOf(what, i))
			if len(events) == 0 {
				missing++
				continue
			}
			if len(events) > 1 {
				t.Errorf("%s %d: %d events; want 1", what, i, len(events))
			}
			check(t, rung, what, events[0], path, "4242")
		}
		if missing > 0 {
			t.Errorf("%s: %d of %d not seen", what, missing, n)
		}
	})
	if stats.Lost() != 0 || stats.Note() != "" {
		t.Errorf("lost %d, note %q; want none", stats.Lost(), stats.Note())
	}
}

func check(t *testing.T, rung eventv1.Rung, what string, e *eventv1.Event, path, sid string) {
	t.Helper()
	d := e.GetDomainSeen()
	if d.Source != sourceOf(what) {
		t.Errorf("%s: source %v; want %v", what, d.Source, sourceOf(what))
	}
	if rcode := map[string]uint32{"nx": 3}[what]; d.Rcode != rcode {
		t.Errorf("%s: rcode %d; want %d", what, d.Rcode, rcode)
	}
	if asked := d.Source == eventv1.NameSource_NAME_SOURCE_DNS; (d.LatencyUs > 0) != asked {
		t.Errorf("%s: latency %d us; want one: %v", what, d.LatencyUs, asked)
	}
	if rung != eventv1.Rung_RUNG_EBPF {
		if d.Program != nil || d.User != nil {
			t.Errorf("%s: has a program or a user; this rung does not know", what)
		}
		return
	}
	if d.GetProgram().GetPath() != path || d.GetProgram().GetName() != "client" || d.GetUser().GetSid() != sid {
		t.Errorf("%s: program %q at %q of %q; want client at %q of %q", what, d.GetProgram().GetName(), d.GetProgram().GetPath(), d.GetUser().GetSid(), path, sid)
	}
}

func (s *seen) count(what string, n int) (found int) {
	for i := range n {
		if len(s.of(nameOf(what, i))) > 0 {
			found++
		}
	}
	return found
}

func TestSeesEachCall(t *testing.T) {
	const role = "udp:200,tcp:30,nx:20,loose:20,six:20,tls:50,quic:30"
	tests := []struct {
		rung eventv1.Rung
		calls
	}{
		{eventv1.Rung_RUNG_EBPF, calls{role: role + ",split:20"}},
		// A filter that remembers nothing passes no parts.
		{eventv1.Rung_RUNG_PACKET, calls{role: role}},
	}
	for _, tt := range tests {
		t.Run(tt.rung.String(), func(t *testing.T) { seesEach(t, tt.rung, tt.calls) })
	}
}

// TestLadder: a kernel without types leads to the next rung, and it is said why.
func TestLadder(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs CAP_NET_RAW (packet(7))")
	}
	run := func(env collectors.Env) error {
		env.Log, env.SysRoot = slog.New(slog.DiscardHandler), t.TempDir()
		c, err := New(env)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		return c.Run(ctx, func(*eventv1.Event) {})
	}
	tests := []struct {
		name        string
		forced, got eventv1.Rung
		err         error
	}{
		{"best that works", 0, eventv1.Rung_RUNG_PACKET, nil},
		{"forced", eventv1.Rung_RUNG_PACKET, eventv1.Rung_RUNG_PACKET, nil},
		{"forced, and not to be had", eventv1.Rung_RUNG_EBPF, 0, collectors.ErrUnsupported},
		{"forced, and none of its", eventv1.Rung_RUNG_NETLINK, 0, collectors.ErrUnsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stats := &collectors.Stats{}
			err := run(collectors.Env{Stats: stats, Rung: tt.forced})
			if !errors.Is(err, tt.err) || stats.Rung() != tt.got {
				t.Errorf("Run() = %v on %v; want %v on %v", err, stats.Rung(), tt.err, tt.got)
			}
			if why := strings.Contains(stats.Note(), "CONFIG_DEBUG_INFO_BTF"); why != (tt.forced == 0 || tt.forced == eventv1.Rung_RUNG_EBPF) {
				t.Errorf("note %q; want why the best is not usable, where it was tried", stats.Note())
			}
		})
	}
}

// TestWithoutCapabilities runs as another account: it is denied, and says what is
// needed.
func TestWithoutCapabilities(t *testing.T) {
	if os.Getuid() == 0 {
		client(t, 4242, "denied:1")
		return
	}
	if err := denied(); err != nil {
		t.Error(err)
	}
}

// TestLeavesNothingOpen: neither a descriptor nor a program stays.
func TestLeavesNothingOpen(t *testing.T) {
	open := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	idle := func(rung eventv1.Rung) { collect(t, rung, func() {}, func(*seen) bool { return true }) }
	for _, rung := range rungs {
		idle(rung) // what is opened once for good
		before := open()
		idle(rung)
		if after := open(); after != before {
			t.Errorf("%v: %d descriptors are open; want %d as before", rung, after, before)
		}
	}
}

// TestOlderSocket: whose a socket is that was connected before the agent came is
// not known. The name is told all the same.
func TestOlderSocket(t *testing.T) {
	serve(t)
	conn, err := net.Dial("udp", host+":53")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, _ := collect(t, eventv1.Rung_RUNG_EBPF, func() {
		if _, err := conn.Write(packed(t, 5, nameOf("older", 0), false)); err != nil {
			t.Fatal(err)
		}
	}, func(s *seen) bool { return s.count("older", 1) == 1 })
	if d := s.of(nameOf("older", 0))[0].GetDomainSeen(); d.Program != nil || d.User != nil {
		t.Error("it has a program or a user; want none: nobody could tell")
	}
}

// TestOverrunIsCounted: a ring that nobody reads runs over, and says by how much.
func TestOverrunIsCounted(t *testing.T) {
	serve(t)
	src, err := openSockets(collectors.Env{})
	if errors.Is(err, collectors.ErrDenied) && os.Getuid() != 0 {
		t.Skipf("needs capabilities(7): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	conn, err := net.Dial("udp", host+":53")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := append(packed(t, 5, "a.example", false), make([]byte, 4000)...)
	for range 400 { // more than three times what it holds
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := src.lost(); err != nil || n < 100 {
		t.Errorf("lost() = %d, %v; want hundreds", n, err)
	}
}

// TestOtherPacketsAreNotCopied: a connection that speaks no TLS, and what comes
// behind a ClientHello, stay in the kernel.
func TestOtherPacketsAreNotCopied(t *testing.T) {
	serve(t)
	src, err := openSockets(collectors.Env{})
	if errors.Is(err, collectors.ErrDenied) && os.Getuid() != 0 {
		t.Skipf("needs capabilities(7): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	const marker = "zz-marker-4711"
	conn, err := tls.Dial("tcp", host+":443", &tls.Config{ServerName: "a.example.test", InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	plain, err := net.Dial("tcp", host+":443")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for range 20 {
		if _, err := conn.Write([]byte(strings.Repeat(marker, 100))); err != nil {
			t.Fatal(err)
		}
		if _, err := plain.Write([]byte(marker)); err != nil {
			break // the server has hung up
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	hellos, bytes := 0, 0
	err = src.read(ctx, func(p *packet) {
		if p.owner.pid != uint32(os.Getpid()) {
			return
		}
		if strings.Contains(string(p.data), marker) {
			t.Error("what a program wrote is in the ring")
		}
		hellos++
		bytes += len(p.data)
	}, func(program) {}, func(int64) error { stop(); return nil })
	if err != nil || hellos != 1 || bytes > 4096 {
		t.Errorf("read() = %v after %d packets of %d bytes; want one ClientHello", err, hellos, bytes)
	}
}

func TestCgroupRoot(t *testing.T) {
	tests := []struct {
		name, mounts, want string
		err                error
	}{
		{"beside version 1", "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup/unified", nil},
		{"alone", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup", nil},
		{"a part of it", "30 23 0:26 /machine /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "", collectors.ErrUnsupported},
		{"version 1 alone", "30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", "", collectors.ErrUnsupported},
		{"nothing", "", "", collectors.ErrUnsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			proc := t.TempDir()
			if err := os.MkdirAll(filepath.Join(proc, "self"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(proc, "self/mountinfo"), []byte(tt.mounts), 0o644); err != nil {
				t.Fatal(err)
			}
			if got, err := cgroupRoot(proc); got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("cgroupRoot() = %q, %v; want %q, %v", got, err, tt.want, tt.err)
			}
		})
	}
}
