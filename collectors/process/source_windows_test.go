package process

import (
	"context"
	"encoding/binary"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"

	gops "github.com/shirou/gopsutil/v3/process"
	"golang.org/x/sys/windows"
	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/etw"
	"github.com/discreet-agent/discreet/collectors/nt"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// TestMain lets the test's program play one that is started.
func TestMain(m *testing.M) {
	if os.Getenv("DISCREET_PLAY") != "" {
		for began := time.Now(); time.Since(began) < 300*time.Millisecond; {
		}
		os.Exit(7)
	}
	os.Exit(m.Run())
}

// play starts this program once more, which uses the CPU for a while and ends with
// code 7.
func play(t *testing.T) *os.Process {
	t.Helper()
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.StartProcess(me, []string{me}, &os.ProcAttr{
		Env: append(os.Environ(), "DISCREET_PLAY=1"), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Release() })
	return p
}

// TestSnapshotsSeeAProcess starts a process and wants its start and its end, with
// the system's own figures.
func TestSnapshotsSeeAProcess(t *testing.T) {
	env := collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{}}
	src, err := openSnapshots(env)
	if err != nil {
		t.Fatal(err)
	}
	s := src.(*snapshots)
	s.every = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var child *os.Process
	var me, start, stop bool
	began := time.Now()
	err = s.run(ctx, func(ev *eventv1.Event) {
		if child == nil {
			child = play(t)
		}
		if e := ev.GetProcessStart(); e != nil && e.GetInventory() && e.GetPid() == uint32(os.Getpid()) {
			me = e.GetUser().GetSid() != "" && e.GetStartKey() != 0
		}
		if e := ev.GetProcessStart(); e != nil && !e.GetInventory() && e.GetPid() == uint32(child.Pid) {
			start = true
			if !strings.HasSuffix(e.GetProgram().GetPath(), `.exe`) || e.GetProgram().GetPath()[1] != ':' || e.GetProgram().GetName() == "" {
				t.Errorf("the program has the name %q and the path %q; want both, with a drive", e.GetProgram().GetName(), e.GetProgram().GetPath())
			}
			if name := e.GetUser().GetName(); !strings.Contains(name, `\`) {
				t.Errorf("its user's name has %d letters; want one with a domain", len(name))
			}
			if e.GetParentStartKey()&(1<<22-1) != uint64(os.Getpid()) {
				t.Errorf("the parent's key is of pid %d; want %d", e.GetParentStartKey()&(1<<22-1), os.Getpid())
			}
		}
		if e := ev.GetProcessStop(); e != nil && e.GetPid() == uint32(child.Pid) {
			stop = true
			if e.GetExitCode() != 7 {
				t.Errorf("the exit code is %d; want 7", e.GetExitCode())
			}
			if ms := e.GetLifetimeMs(); ms < 300 || ms > uint64(time.Since(began).Milliseconds()) {
				t.Errorf("it lived for %d ms; want 300 or some more", ms)
			}
			if ms := e.GetCpuUserMs() + e.GetCpuSystemMs(); ms < 100 {
				t.Errorf("it used %d ms of the CPU; want about 300", ms)
			}
			if e.GetMaxRssBytes() == 0 {
				t.Error("its memory is not known")
			}
			cancel()
		}
	})
	if err != nil || !me || !start || !stop {
		t.Errorf("run = %v; own process %v, start %v, stop %v; want nil and all", err, me, start, stop)
	}
}

// TestSnapshotAgrees compares a snapshot with what gopsutil finds.
func TestSnapshotAgrees(t *testing.T) {
	var r nt.Reader
	seen := map[int32]uint32{}
	if err := r.Processes(func(p *nt.Process) bool { seen[int32(p.PID)] = p.Parent; return true }); err != nil {
		t.Fatal(err)
	}
	me := int32(os.Getpid())
	if parent, ok := seen[me]; !ok || parent != uint32(os.Getppid()) {
		t.Errorf("own process: seen %v, parent %d; want true, %d", ok, parent, os.Getppid())
	}
	pids, err := gops.Pids()
	if err != nil {
		t.Fatal(err)
	}
	missing := 0
	for _, pid := range pids {
		if _, ok := seen[pid]; !ok {
			missing++
		}
	}
	if missing > len(pids)/4 {
		t.Errorf("%d of gopsutil's %d processes are not in the snapshot", missing, len(pids))
	}
}

// TestLayout compares the decoder's offsets with the system's structure.
func TestLayout(t *testing.T) {
	var s windows.SYSTEM_PROCESS_INFORMATION
	b := make([]byte, unsafe.Sizeof(s))
	s = windows.SYSTEM_PROCESS_INFORMATION{
		CreateTime: 1, UserTime: 2, KernelTime: 3, UniqueProcessID: 4, InheritedFromUniqueProcessID: 5,
		SessionID: 6, WorkingSetSize: 7, PeakWorkingSetSize: 8, ReadTransferCount: 9, WriteTransferCount: 10,
	}
	copy(b, unsafe.Slice((*byte)(unsafe.Pointer(&s)), unsafe.Sizeof(s)))
	want := nt.Process{Created: 1, UserTime: 2, KernelTime: 3, PID: 4, Parent: 5, Session: 6, WorkingSet: 7, PeakWorkingSet: 8, ReadBytes: 9, WrittenBytes: 10}
	if !nt.EachProcess(b, 0, func(p *nt.Process) bool {
		if p.Name = nil; p.PID != want.PID || p.Parent != want.Parent || p.Session != want.Session || p.Created != want.Created ||
			p.UserTime != want.UserTime || p.KernelTime != want.KernelTime || p.WorkingSet != want.WorkingSet ||
			p.PeakWorkingSet != want.PeakWorkingSet || p.ReadBytes != want.ReadBytes || p.WrittenBytes != want.WrittenBytes {
			t.Errorf("decoded %+v; want %+v", *p, want)
		}
		return true
	}) {
		t.Error("the structure is not taken as whole")
	}
}

// crowd starts processes until there are n, and waits for them at the end.
func crowd(b *testing.B, n int) {
	b.Helper()
	system, err := windows.GetSystemDirectory()
	if err != nil {
		b.Fatal(err)
	}
	pids, err := gops.Pids()
	if err != nil {
		b.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer nowhere.Close()
	var all []*os.Process
	for range max(0, n-len(pids)) {
		p, err := os.StartProcess(system+`\cmd.exe`, []string{"cmd"}, &os.ProcAttr{Files: []*os.File{r, nowhere, nowhere}})
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, p)
	}
	r.Close()
	b.Cleanup(func() {
		w.Close()
		for _, p := range all {
			_ = p.Kill()
			_, _ = p.Wait()
		}
	})
}

// BenchmarkTick is what one look costs with 300 processes of which none is new:
// the one snapshot, and gopsutil's rung beside it.
func BenchmarkTick(b *testing.B) {
	crowd(b, 300)
	env := collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{}}
	nobody := func(*eventv1.Event) {}
	b.Run("snapshot", func(b *testing.B) {
		s := &snapshots{env: env, asker: asker{nt.NewAccounts()}}
		t := newTable(env.Stats, newReporter(nobody, eventv1.Rung_RUNG_POLL), s.asker.ask)
		defer t.close()
		if err := t.look(s.reader.Processes, true, true); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(t.living)), "processes")
		b.ReportAllocs()
		for b.Loop() {
			if err := t.look(s.reader.Processes, false, true); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("gopsutil", func(b *testing.B) {
		src, err := openGopsutil(env)
		if err != nil {
			b.Fatal(err)
		}
		g := src.(*gopsutil)
		g.report = newReporter(nobody, eventv1.Rung_RUNG_GOPSUTIL)
		if err := g.scan(b.Context(), true); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := g.scan(b.Context(), false); err != nil {
				b.Fatal(err)
			}
		}
	})
	// What a poller of processes does with gopsutil: the figures of each, each time.
	b.Run("gopsutil with figures", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			list, err := gops.Processes()
			if err != nil {
				b.Fatal(err)
			}
			for _, p := range list {
				_, _ = p.Times()
				_, _ = p.MemoryInfo()
				_, _ = p.IOCounters()
			}
		}
	})
}

// TestFallsBack: where the system does not let this program trace, the collector
// takes snapshots and says why; else it traces.
func TestFallsBack(t *testing.T) {
	env := collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{}}
	c, err := New(env)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	events := 0
	if err := c.Run(ctx, func(*eventv1.Event) { events++; cancel() }); err != nil {
		t.Fatal(err)
	}
	rung, note := env.Stats.Rung(), env.Stats.Note()
	fell := rung == eventv1.Rung_RUNG_POLL && strings.Contains(note, "trace session")
	if events == 0 || !fell && (rung != eventv1.Rung_RUNG_ETW || note != "") {
		t.Errorf("%d events by %v, note %q; want some by ETW, or by POLL with the reason", events, rung, note)
	}
}

// TestTracedTakes hands the events of a real process to the source, as the system
// would: its file and account are those of the process itself.
func TestTracedTakes(t *testing.T) {
	var start *eventv1.ProcessStart
	var stop *eventv1.ProcessStop
	stats := &collectors.Stats{}
	s := &traced{asker: asker{nt.NewAccounts()}, drives: nt.Drives{`\Device\HarddiskVolume1`: "C:"}}
	s.table = newTable(stats, newReporter(func(ev *eventv1.Event) {
		if e := ev.GetProcessStart(); e != nil {
			start = proto.CloneOf(e)
		}
		if e := ev.GetProcessStop(); e != nil {
			stop = proto.CloneOf(e)
		}
	}, eventv1.Rung_RUNG_ETW), s.asker.ask)
	defer s.table.close()
	child := play(t)
	h, err := nt.Hold(uint32(child.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	f, err := h.Figures()
	if err != nil {
		t.Fatal(err)
	}
	pid := uint32(child.Pid)
	image := append(utf16le(`\Device\HarddiskVolume1\x.exe`), 0, 0)
	s.take(&etw.Event{ID: 1, Data: words(pid, f.Created, uint32(os.Getpid()), uint32(1), image)})
	if _, err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if f, err = h.Figures(); err != nil || f.Ended == 0 {
		t.Fatalf("the child's figures: %v, ended at %d; want a time", err, f.Ended)
	}
	s.take(&etw.Event{ID: 2, Data: words(pid, f.Created, f.Ended, uint32(7), uint32(1), uint32(1), uint64(1), uint64(1), []byte("x\x00"))})
	s.take(&etw.Event{ID: 1, Data: words(uint32(1<<30), f.Created, uint32(0), uint32(1), image)})
	if start.GetProgram().GetPath() != `C:\x.exe` || start.GetUser().GetSid() != "" {
		t.Errorf("a process that is gone has the path %q and an account %v; want that of the event, none", start.GetProgram().GetPath(), start.GetUser().GetSid() != "")
	}
	if stop.GetProgram().GetPath() == `C:\x.exe` || stop.GetUser().GetSid() == "" || stop.GetExitCode() != 7 || stop.GetLifetimeMs() < 300 {
		t.Errorf("end: path %q, code %d, after %d ms; want the process's own, 7, 300 or more", stop.GetProgram().GetPath(), stop.GetExitCode(), stop.GetLifetimeMs())
	}
}

// words writes the fields of an event.
func words(fields ...any) []byte {
	var b []byte
	for _, f := range fields {
		b, _ = binary.Append(b, binary.LittleEndian, f)
	}
	return b
}
