package process

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

func TestEBPFSeesEveryProgram(t *testing.T) { seesEvery(t, eventv1.Rung_RUNG_EBPF, 300) }

// copyTo makes a program of that name, which may be any bytes.
func copyTo(t *testing.T, path string) {
	t.Helper()
	from, err := os.Open(testProgram(t))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
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
}

func TestEBPFPaths(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	deep := dir
	for range 9 {
		deep += "/" + strings.Repeat("d", 120)
	}
	long := deep + strings.Repeat("/"+strings.Repeat("e", 250), 5)
	if err := os.MkdirAll(long, 0o755); err != nil {
		t.Fatal(err)
	}
	full := strings.Repeat("n", 255)
	tests := []struct{ name, path, wantPath, wantName string }{
		{"plain", dir + "/plain", dir + "/plain", "plain"},
		{"control characters", dir + "/a\nb\x1b[31mc\x7f", dir + "/a\nb\x1b[31mc\x7f", "a\nb\x1b[31mc\x7f"},
		{"no UTF-8", dir + "/\xff\xfe\xc0x", dir + "/\xff\xfe\xc0x", "\xff\xfe\xc0x"},
		{"longest name", dir + "/" + full, dir + "/" + full, full},
		{"deep", deep + "/deep", "", "deep"},
		{"longer than a record", long + "/long", "", "long"},
	}
	r := startRung(t, eventv1.Rung_RUNG_EBPF)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rel := filepath.Join(t.TempDir(), "in") // execve takes no more than 4,096 bytes, and we none of a link
			if err := os.Symlink(filepath.Dir(tt.path), rel); err != nil {
				t.Fatal(err)
			}
			copyTo(t, rel+"/"+filepath.Base(tt.path))
			c := command(rel+"/"+filepath.Base(tt.path), "exit3", -1)
			if err := c.Run(); c.ProcessState == nil {
				t.Fatal(err)
			}
			events := r.await("stop", func(e []*eventv1.Event) bool { return stopOf(e, c.Process.Pid) != nil })
			got := startOf(events, c.Process.Pid).GetProgram()
			// A path that did not fit is read from /proc, or left out where the
			// process is gone. It is never half a path.
			if got.GetName() != tt.wantName || got.GetPath() != tt.path && (tt.wantPath != "" || got.GetPath() != "") {
				t.Errorf("program = %q at %q; want %q at %q", got.GetName(), got.GetPath(), tt.wantName, tt.wantPath)
			}
		})
	}
	r.stopNow()
}

// TestEBPFProgramInMemory runs a program that no directory has.
func TestEBPFProgramInMemory(t *testing.T) {
	fd, err := unix.MemfdCreate("ghost", 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "ghost")
	defer file.Close()
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(program); err != nil {
		t.Fatal(err)
	}
	path := "/proc/self/fd/3"
	r := startRung(t, eventv1.Rung_RUNG_EBPF)
	c := command("/bin/sh", "exit3", -1)
	c.Args = []string{"sh", "-c", "exec " + path}
	c.ExtraFiles = []*os.File{file}
	if err := c.Run(); c.ProcessState == nil || c.ProcessState.ExitCode() != 3 {
		t.Fatal(err)
	}
	events := r.await("stop", func(e []*eventv1.Event) bool { return stopOf(e, c.Process.Pid) != nil })
	r.stopNow()
	if got := startOf(events, c.Process.Pid).GetProgram(); got.GetPath() != "/memfd:ghost" {
		t.Errorf("program = %v; want /memfd:ghost", got)
	}
}

// TestEBPFExecInThread: the thread that calls exec becomes the process.
func TestEBPFExecInThread(t *testing.T) {
	path := testProgram(t)
	r := startRung(t, eventv1.Rung_RUNG_EBPF)
	c := command(path, "exec_in_thread", -1)
	if err := c.Run(); c.ProcessState == nil || c.ProcessState.ExitCode() != 3 {
		t.Fatal(err)
	}
	pid := c.Process.Pid
	events := r.await("stop", func(e []*eventv1.Event) bool { return stopOf(e, pid) != nil })
	r.stopNow()
	starts, stops := 0, 0
	for _, e := range events {
		if s := e.GetProcessStart(); s.GetPid() == uint32(pid) {
			starts++
		}
		if s := e.GetProcessStop(); s.GetPid() == uint32(pid) {
			stops++
			if s.GetExitCode() != 3 || s.GetStartKey() != startOf(events, pid).GetStartKey() {
				t.Errorf("stop = code %d, key %d; want 3 and the key of the start", s.GetExitCode(), s.GetStartKey())
			}
		}
	}
	if starts != 2 || stops != 1 {
		t.Errorf("%d starts and %d stops; want two programs in one process", starts, stops)
	}
}

func TestEBPFFigures(t *testing.T) { figures(t, eventv1.Rung_RUNG_EBPF, 20) }

// figures compares with what wait(2) tells: the CPU time to one part in parts.
func figures(t *testing.T, rung eventv1.Rung, parts time.Duration) {
	path := testProgram(t)
	r := startRung(t, rung)
	var children []child
	var cpu time.Duration
	rss := map[int]int64{}
	for range 20 {
		c := command(path, "burn", -1)
		if err := c.Run(); err != nil {
			t.Fatal(err)
		}
		use := c.ProcessState.SysUsage().(*syscall.Rusage)
		cpu += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		rss[c.Process.Pid] = use.Maxrss << 10
		children = append(children, child{pid: c.Process.Pid})
	}
	events := awaitStops(r, children)
	r.stopNow()
	var got time.Duration
	for _, c := range children {
		s := stopOf(events, c.pid)
		got += time.Duration(s.GetCpuUserMs()+s.GetCpuSystemMs()) * time.Millisecond
		if s.GetMaxRssBytes() != uint64(rss[c.pid]) {
			t.Errorf("max_rss_bytes of %d = %d; want %d", c.pid, s.GetMaxRssBytes(), rss[c.pid])
		}
		if s.GetLifetimeMs() < 20 {
			t.Errorf("lifetime_ms of %d = %d; want 20 or more", c.pid, s.GetLifetimeMs())
		}
	}
	t.Logf("CPU time of 20 programs: %v, by wait(2) %v", got, cpu)
	if diff := (got - cpu).Abs(); diff > cpu/parts {
		t.Errorf("CPU time = %v; want %v within one part in %d", got, cpu, parts)
	}
}

// TestNetlinkFigures: with taskstats beside it the connector knows memory and I/O
// too. CPU time is counted there in ticks of 4 or 10 ms.
func TestNetlinkFigures(t *testing.T) {
	stats, err := openTaskstats("")
	if err != nil && os.Getenv("CI") == "true" && os.Getuid() == 0 {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("taskstats is not to be had here (docs.kernel.org/accounting/taskstats.html): %v", err)
	}
	stats.close()
	figures(t, eventv1.Rung_RUNG_NETLINK, 3)
}

// TestEBPFNobodyWaits: a process that has exited is reported though its parent
// does not fetch its status.
func TestEBPFNobodyWaits(t *testing.T) {
	path := testProgram(t)
	r := startRung(t, eventv1.Rung_RUNG_EBPF)
	c := command(path, "exit3", -1)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	events := r.await("stop", func(e []*eventv1.Event) bool { return stopOf(e, c.Process.Pid) != nil })
	s := stopOf(events, c.Process.Pid)
	if s.GetExitCode() != 3 {
		t.Errorf("exit code = %d; want 3", s.GetExitCode())
	}
	// The test is larger than its child, and the kernel keeps one peak for both.
	if s.GetMaxRssBytes() != 0 {
		t.Errorf("max_rss_bytes = %d; want 0, for it is the parent's", s.GetMaxRssBytes())
	}
	c.Wait()
	second := command(path, "exit3", -1)
	second.Run()
	events = r.await("stop", func(e []*eventv1.Event) bool { return stopOf(e, second.Process.Pid) != nil })
	r.stopNow()
	stops := 0
	for _, e := range events {
		if e.GetProcessStop().GetPid() == uint32(c.Process.Pid) {
			stops++
		}
	}
	if stops != 1 {
		t.Errorf("%d stops of one process; want 1", stops)
	}
}

// smallRing makes the ring as small as it can be.
func smallRing(spec *ebpf.CollectionSpec) error {
	spec.Maps["ring"].MaxEntries = uint32(os.Getpagesize())
	return nil
}

// TestEBPFOverrunIsCounted holds the reader up while more happens than the ring
// takes. What still runs is then found in /proc.
func TestEBPFOverrunIsCounted(t *testing.T) {
	r := &running{}
	src, err := openTracedWith(testEnv(&r.stats), smallRing)
	if err != nil {
		if os.Getenv("CI") == "true" && os.Getuid() == 0 {
			t.Fatal(err)
		}
		t.Skipf("eBPF is not to be had here: %v", err)
	}
	path := testProgram(t)
	block := make(chan struct{})
	start(t, r, func(ctx context.Context, emit collectors.Emit) error {
		return src.run(ctx, func(e *eventv1.Event) {
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
		t.Error("Lost() = 0 after some 150 records into a page; want some of them")
	} else {
		t.Logf("Lost() = %d of some 150 records, and those of what else ran", lost)
	}
}
