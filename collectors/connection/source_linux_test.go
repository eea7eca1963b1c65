package connection

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

func TestInterimFiguresAdd(t *testing.T) {
	r := &running{}
	d, err := newDiag(testEnv(&r.stats), closedBuffer)
	if err != nil {
		t.Skipf("sock_diag is not to be had here (sock_diag(7)): %v", err)
	}
	defer d.close()
	var events []*eventv1.Event
	r.more = make(chan struct{}, 1)
	d.track = newTracker(r.emit, d.env, eventv1.Rung_RUNG_NETLINK)
	d.owners = newOwners(d.env)
	look := func() {
		if err := d.look(time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	look()
	l, port := listenTCP(t, "tcp4", "127.0.0.1:0")
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.Write(make([]byte, 1000))
		io.ReadFull(s, make([]byte, 1000))
		look()
		d.track.interim(time.Now())
	}
	c.Close()
	io.Copy(io.Discard, s)
	s.Close()
	look()
	look()
	events = r.events
	var interim, sum uint64
	for _, e := range events {
		x := e.GetConnection()
		if x.GetPort() == uint32(port) && x.GetDirection() == eventv1.Direction_DIRECTION_OUTBOUND {
			sum += x.GetBytesOut()
			if x.GetInterim() {
				interim++
			}
		}
	}
	if interim != 3 || sum != 3000 {
		t.Errorf("interim reports = %d, bytes out in all = %d; want 3, 3000", interim, sum)
	}
}

func TestOverrunIsCounted(t *testing.T) {
	r := &running{}
	d, err := newDiag(testEnv(&r.stats), 1) // the kernel's least
	if err != nil {
		t.Skipf("sock_diag is not to be had here (sock_diag(7)): %v", err)
	}
	if d.every != smallEvery {
		t.Errorf("interval with a small buffer = %v; want %v", d.every, smallEvery)
	}
	l, _ := listenTCP(t, "tcp4", "127.0.0.1:0")
	for range 100 {
		if err := exchange(l, 1, 1, true); err != nil {
			t.Fatal(err)
		}
	}
	d.every = 20 * time.Millisecond
	start(t, r, d.run)
	r.await("an event", func(e []*eventv1.Event) bool { return len(e) > 0 })
	r.stopNow()
	if lost := r.stats.Lost(); lost == 0 {
		t.Error("Lost() = 0 after a burst into the least of buffers; want more")
	} else {
		t.Logf("Lost() = %d of some 200 messages", lost)
	}
}

func TestGopsutilSeesWhatLivesLonger(t *testing.T) {
	r := &running{}
	src, err := open(eventv1.Rung_RUNG_GOPSUTIL, testEnv(&r.stats))
	if err != nil {
		t.Fatal(err)
	}
	g := src.(*gopsutil)
	l, port := listenTCP(t, "tcp4", "127.0.0.1:0")
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	r.more = make(chan struct{}, 1)
	g.track = newTracker(r.emit, g.env, eventv1.Rung_RUNG_GOPSUTIL)
	g.track.untold = true
	for i := range 4 {
		if i == 2 {
			c.Close()
			s.Close()
		}
		if err := g.look(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	found := to(r.events, port)
	exe, _ := os.Readlink("/proc/self/exe")
	directions := map[eventv1.Direction]int{}
	for _, c := range found {
		directions[c.GetDirection()]++
		if c.GetProgram().GetPath() != exe {
			t.Errorf("program = %v; want %s", c.GetProgram(), exe)
		}
	}
	if len(found) != 2 || len(directions) != 2 {
		t.Errorf("reported %d ends in %d directions; want 2 in 2", len(found), len(directions))
	}
}

func TestStopsClean(t *testing.T) {
	count := func() int {
		n := 0
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, "socket:") {
				n++
			}
		}
		return n
	}
	before := count()
	for range 3 {
		r := &running{}
		c, err := New(testEnv(&r.stats))
		if err != nil {
			t.Fatal(err)
		}
		start(t, r, c.Run)
		r.stopNow()
	}
	if after := count(); after != before {
		t.Errorf("sockets after three runs = %d; want %d", after, before)
	}
}

// TestWithoutPrivilege runs two of the tests as another account.
func TestWithoutPrivilege(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another account (setuid(2))")
	}
	dir, err := os.MkdirTemp("", "connection-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "connection.test")
	if err := os.WriteFile(path, self, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, "-test.run=^TestEveryConnectionOnce$|^TestOwnerOfWhatLivesLonger$", "-test.v")
	c.Dir, c.Env = "/", []string{}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4242, Gid: 4242}}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("as uid 4242: %v\n%s", err, out)
	}
	t.Logf("as uid 4242:\n%s", out)
}
