package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// roleKey tells a copy of the test binary what to do instead of testing.
const roleKey = "DISCREET_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleKey) {
	case "exit3":
		os.Exit(3)
	case "killed":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "exec_in_thread":
		runtime.LockOSThread()
		done := make(chan error)
		go func() { // this thread is not the first
			runtime.LockOSThread()
			done <- syscall.Exec("/proc/self/exe", []string{"again"}, []string{roleKey + "=exit3"})
		}()
		<-done
		os.Exit(99)
	case "burn": // with more memory than the test itself has
		if _, err := syscall.Mmap(-1, 0, 128<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_POPULATE); err != nil {
			os.Exit(98)
		}
		for began := time.Now(); time.Since(began) < 20*time.Millisecond; {
			syscall.Getppid()
		}
		os.Exit(0)
	case "until_eof":
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// testProgram returns a copy of the test binary that everybody may run: the
// tests' own directory is closed to others.
func testProgram(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "process-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	path := filepath.Join(dir, "short-program")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func command(path, role string, uid int) *exec.Cmd {
	c := exec.Command(path)
	// The race detector sleeps for a second when a program ends, unless told not to.
	c.Dir, c.Env = "/", []string{roleKey + "=" + role, "GORACE=atexit_sleep_ms=0"}
	if uid >= 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	return c
}

// child is a program that a test ran, and what must be reported of it.
type child struct {
	pid    int
	uid    string
	code   int32
	signal uint32
}

func runChildren(t *testing.T, n int, path string) []child {
	t.Helper()
	children := make([]child, 0, n)
	for i := range n {
		want := child{uid: fmt.Sprint(os.Getuid()), code: 3}
		role, uid := "exit3", -1
		if i%2 == 1 {
			role, want.code, want.signal = "killed", 0, uint32(syscall.SIGKILL)
		}
		if i%4 >= 2 && os.Getuid() == 0 {
			uid, want.uid = 4242, "4242"
		}
		c := command(path, role, uid)
		var exit *exec.ExitError
		if err := c.Run(); !errors.As(err, &exit) {
			t.Fatal(err)
		}
		want.pid = c.Process.Pid
		children = append(children, want)
	}
	return children
}

func checkChildren(t *testing.T, events []*eventv1.Event, children []child, path string, rung eventv1.Rung) {
	t.Helper()
	self := startOf(events, os.Getpid())
	if !self.GetInventory() || self.GetProgram().GetPath() == "" || self.GetStartKey() == 0 {
		t.Errorf("start of the test itself = %v; want it in the inventory, with path and key", self)
	}
	withPath := 0
	for _, want := range children {
		s, e := startOf(events, want.pid), stopOf(events, want.pid)
		if p := s.GetProgram(); p.GetPath() == path && p.GetName() == "short-program" {
			withPath++
		} else if p.GetPath() != "" || p.GetName() != "" {
			t.Errorf("program of %d = %v; want %s", want.pid, p, path)
		}
		if s.GetUser().GetSid() != want.uid || e.GetUser().GetSid() != want.uid {
			t.Errorf("user of %d = %v, then %v; want uid %s", want.pid, s.GetUser(), e.GetUser(), want.uid)
		}
		if s.GetParentStartKey() != self.GetStartKey() {
			t.Errorf("parent key of %d = %d; want %d", want.pid, s.GetParentStartKey(), self.GetStartKey())
		}
		if e.GetExitCode() != want.code || e.GetSignal() != want.signal {
			t.Errorf("end of %d = code %d, signal %d; want %d, %d", want.pid, e.GetExitCode(), e.GetSignal(), want.code, want.signal)
		}
		if s.GetStartKey() == 0 || s.GetStartKey() != e.GetStartKey() {
			t.Errorf("keys of %d = %d at its start, %d at its stop; want one", want.pid, s.GetStartKey(), e.GetStartKey())
		}
		if s.GetRung() != rung || e.GetRung() != rung || s.GetInventory() {
			t.Errorf("start of %d = %v; want rung %v, not inventory", want.pid, s, rung)
		}
	}
	t.Logf("%d programs: all seen, %d with the path of their file", len(children), withPath)
	// On NETLINK a program may be gone before its link is read; this one lives for
	// some milliseconds, so that should be rare even on a busy machine.
	floor := len(children) * 9 / 10
	if rung == eventv1.Rung_RUNG_EBPF {
		floor = len(children)
	}
	if withPath < floor {
		t.Errorf("%d of %d programs have a path; want %d", withPath, len(children), floor)
	}
}

// startRung starts one source, or skips the test with the reason why it is not to
// be had.
func startRung(t *testing.T, rung eventv1.Rung) *running {
	t.Helper()
	r := &running{}
	src, err := open(rung, testEnv(&r.stats))
	if err != nil && os.Getuid() == 0 && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("rung %v is not to be had here (docs/collectors.md): %v", rung, err)
	}
	start(t, r, src.run)
	r.await("inventory", func(e []*eventv1.Event) bool { return startOf(e, os.Getpid()) != nil })
	return r
}

// awaitStops waits until every child's stop was reported.
func awaitStops(r *running, children []child) []*eventv1.Event {
	r.t.Helper()
	return r.await("stops of all children", func(e []*eventv1.Event) bool {
		for i := len(children) - 1; i >= 0; i-- {
			if stopOf(e, children[i].pid) == nil {
				return false
			}
		}
		return true
	})
}

func TestNetlinkSeesEveryProgram(t *testing.T) { seesEvery(t, eventv1.Rung_RUNG_NETLINK, 200) }

func seesEvery(t *testing.T, rung eventv1.Rung, n int) {
	path := os.Getenv("DISCREET_TEST_PROGRAM")
	if path == "" {
		path = testProgram(t)
	}
	r := startRung(t, rung)
	children := runChildren(t, n, path)
	events := awaitStops(r, children)
	r.stopNow()
	checkChildren(t, events, children, path, rung)
	if lost := r.stats.Lost(); lost != 0 {
		t.Errorf("Lost() = %d; want 0", lost)
	}
}

// TestLadder runs as an account without capabilities, too: then the best rung is
// refused, the next is in use, and the note says why.
func TestLadder(t *testing.T) {
	r := startCollector(t, eventv1.Rung_RUNG_UNSPECIFIED)
	r.await("inventory", func(e []*eventv1.Event) bool { return startOf(e, os.Getpid()) != nil })
	r.stopNow()
	rung, note := r.stats.Rung(), r.stats.Note()
	if _, err := open(eventv1.Rung_RUNG_EBPF, testEnv(&r.stats)); err == nil {
		if rung != eventv1.Rung_RUNG_EBPF || note != "" {
			t.Errorf("rung %v, note %q; want EBPF without a note", rung, note)
		}
		return
	}
	if rung == eventv1.Rung_RUNG_EBPF || !strings.Contains(note, "a better source is not usable") {
		t.Errorf("rung %v, note %q; want a lower rung and the reason", rung, note)
	}
	if os.Getuid() != 0 && !strings.Contains(note, "CAP_BPF") {
		t.Errorf("note %q; want the missing capability", note)
	}
}

// TestNetlinkWithoutPrivilege runs the same test as another account. Before
// Linux 6.6 the connector needs CAP_NET_ADMIN; then the test within says so.
func TestNetlinkWithoutPrivilege(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another account (setuid(2))")
	}
	path := testProgram(t)
	c := exec.Command(path, "-test.run=^(TestNetlinkSeesEveryProgram|TestLadder)$", "-test.v")
	c.Dir, c.Env = "/", []string{"DISCREET_TEST_PROGRAM=" + path}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4242, Gid: 4242}}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("as uid 4242: %v\n%s", err, out)
	}
	t.Logf("as uid 4242:\n%s", out)
}

func TestStartKeyIsThatOfProc(t *testing.T) {
	for _, rung := range []eventv1.Rung{eventv1.Rung_RUNG_EBPF, eventv1.Rung_RUNG_NETLINK} {
		t.Run(rung.String(), func(t *testing.T) { startKeys(t, rung) })
	}
}

func startKeys(t *testing.T, rung eventv1.Rung) {
	r := startRung(t, rung)
	path := testProgram(t)
	reader := procfs.NewReader("")
	for range 5 {
		c := command(path, "until_eof", -1)
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		pid := c.Process.Pid
		stat, err := reader.Stat(uint32(pid))
		if err != nil {
			t.Fatal(err)
		}
		events := r.await("start", func(e []*eventv1.Event) bool { return startOf(e, pid) != nil })
		if got, want := startOf(events, pid).GetStartKey(), procfs.Key(stat.StartTicks, uint32(pid)); got != want {
			t.Errorf("start key = %d ticks; want %d", got>>22, want>>22)
		}
		in.Close()
		c.Wait()
	}
	r.stopNow()
}

func TestPollSeesWhatLivesLonger(t *testing.T) {
	for _, rung := range []eventv1.Rung{eventv1.Rung_RUNG_POLL, eventv1.Rung_RUNG_GOPSUTIL} {
		t.Run(rung.String(), func(t *testing.T) { pollSees(t, rung) })
	}
}

func pollSees(t *testing.T, rung eventv1.Rung) {
	r := &running{}
	src, err := open(rung, testEnv(&r.stats))
	if err != nil {
		t.Fatal(err)
	}
	switch s := src.(type) {
	case *poll:
		s.every = 20 * time.Millisecond
	case *gopsutil:
		s.every = 20 * time.Millisecond
	}
	start(t, r, src.run)
	r.await("inventory", func(e []*eventv1.Event) bool { return startOf(e, os.Getpid()) != nil })
	path := testProgram(t)
	c := command(path, "until_eof", 4242)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pid := c.Process.Pid
	reader := procfs.NewReader("")
	stat, err := reader.Stat(uint32(pid))
	if err != nil {
		t.Fatal(err)
	}
	events := r.await("start", func(e []*eventv1.Event) bool { return startOf(e, pid) != nil })
	s := startOf(events, pid)
	if s.GetProgram().GetPath() != path || s.GetUser().GetSid() != "4242" || s.GetInventory() || s.GetRung() != rung {
		t.Errorf("start = %v; want path %s, uid 4242, rung %v, not inventory", s, path, rung)
	}
	// gopsutil tells the start in whole seconds, from a boot time that it rounds.
	slack := int64(0)
	if rung == eventv1.Rung_RUNG_GOPSUTIL {
		slack = 2 * procfs.TicksPerSecond
	}
	if off := int64(s.GetStartKey()>>22) - int64(stat.StartTicks); off > slack || off < -slack || s.GetStartKey()&(1<<22-1) != uint64(pid) {
		t.Errorf("start key = %d ticks, pid %d; want %d, %d", s.GetStartKey()>>22, s.GetStartKey()&(1<<22-1), stat.StartTicks, pid)
	}
	if self := startOf(events, os.Getpid()); s.GetParentStartKey() != self.GetStartKey() {
		t.Errorf("parent key = %d; want %d", s.GetParentStartKey(), self.GetStartKey())
	}
	in.Close()
	c.Wait()
	r.await("stop", func(e []*eventv1.Event) bool { return stopOf(e, pid) != nil })
	r.stopNow()
	for _, e := range r.events {
		if s := e.GetProcessStart(); s.GetPid() == 2 || s.GetPid() != 0 && s.GetProgram().GetName() == "" {
			t.Errorf("reported %v; want no part of the kernel", s)
		}
	}
}

func TestOverrunIsCounted(t *testing.T) {
	r := &running{}
	c, err := listenConnector(testEnv(&r.stats), 1) // the kernel's least
	if err != nil {
		if os.Getuid() == 0 {
			t.Fatal(err)
		}
		t.Skipf("the process connector is not to be had here: %v", err)
	}
	path := testProgram(t)
	block := make(chan struct{})
	start(t, r, func(ctx context.Context, emit collectors.Emit) error {
		return c.run(ctx, func(e *eventv1.Event) {
			emit(e)
			<-block // the first event of the inventory holds the reader up
		})
	})
	r.await("first event", func(e []*eventv1.Event) bool { return len(e) > 0 })
	keeper := command(path, "until_eof", -1)
	in, err := keeper.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	runChildren(t, 50, path)
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	close(block)
	r.await("the program that still runs", func(e []*eventv1.Event) bool { return startOf(e, keeper.Process.Pid) != nil })
	in.Close()
	keeper.Wait()
	r.await("its stop", func(e []*eventv1.Event) bool { return stopOf(e, keeper.Process.Pid) != nil })
	r.stopNow()
	if lost := r.stats.Lost(); lost == 0 {
		t.Error("Lost() = 0 after a burst into the least of buffers; want more")
	} else {
		t.Logf("Lost() = %d of some 150 messages", lost)
	}
}

func TestNextRung(t *testing.T) {
	tests := []struct {
		name   string
		forced eventv1.Rung
		root   string
		want   error
	}{
		{"forced rung that is not there", eventv1.Rung_RUNG_NATIVE, "", collectors.ErrUnsupported},
		{"kernel without types", eventv1.Rung_RUNG_EBPF, "", collectors.ErrUnsupported},
		{"no proc", eventv1.Rung_RUNG_POLL, "/nonexistent", collectors.ErrUnsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stats collectors.Stats
			env := testEnv(&stats)
			env.Rung, env.ProcRoot, env.SysRoot = tt.forced, tt.root, t.TempDir()
			c, err := New(env)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Run(t.Context(), func(*eventv1.Event) {}); !errors.Is(err, tt.want) {
				t.Errorf("Run() = %v; want %v", err, tt.want)
			}
			if got := stats.Rung(); got != eventv1.Rung_RUNG_UNSPECIFIED {
				t.Errorf("Rung() = %v; want none", got)
			}
		})
	}
}

// TestStopsClean counts descriptors: what Run opened must be closed when it
// returns.
func TestStopsClean(t *testing.T) {
	count := func() int {
		n := 0
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && (strings.HasPrefix(to, "socket:") || strings.Contains(to, "bpf")) {
				n++
			}
		}
		return n
	}
	for _, rung := range []eventv1.Rung{eventv1.Rung_RUNG_EBPF, eventv1.Rung_RUNG_NETLINK} {
		t.Run(rung.String(), func(t *testing.T) {
			before := count()
			for range 3 {
				startRung(t, rung).stopNow()
			}
			if after := count(); after != before {
				t.Errorf("sockets and eBPF objects after three runs = %d; want %d", after, before)
			}
		})
	}
}
