package kernel

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/discreet-agent/discreet/collectors"
)

//go:embed bpf/test.o
var object []byte

// roleKey tells a copy of the test binary what to do instead of testing.
const roleKey = "DISCREET_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleKey) == "exit" {
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// loaded loads the test's programs, or ends the test with the reason.
func loaded(t *testing.T) *Programs {
	t.Helper()
	p, err := Load(object, "", "", nil)
	if errors.Is(err, collectors.ErrDenied) && os.Getuid() != 0 {
		t.Skipf("needs CAP_BPF and CAP_PERFMON (capabilities(7)): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func opened(t *testing.T, p *Programs) *Ring {
	t.Helper()
	r, err := p.Ring()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// write makes the kernel write count records with the numbers from first on.
func write(t *testing.T, p *Programs, first, count uint64) {
	t.Helper()
	const most = 512 // in one run
	for ; count > 0; first, count = first+min(count, most), count-min(count, most) {
		want := struct{ First, Count uint64 }{first, min(count, most)}
		if _, err := p.Collection.Programs["write_records"].Run(&ebpf.RunOptions{Context: want}); err != nil {
			t.Fatal(err)
		}
	}
}

// numbers checks each record and returns the numbers in their order.
func numbers(t *testing.T, r *Ring) []uint64 {
	t.Helper()
	var got []uint64
	r.look(func(b []byte) {
		n := binary.LittleEndian.Uint64(b)
		if len(b) != int(8+n&63) {
			t.Errorf("record %d has %d bytes; want %d", n, len(b), 8+n&63)
		}
		got = append(got, n)
	})
	return got
}

func TestRingKeepsOrderOverItsEnd(t *testing.T) {
	p := loaded(t)
	r := opened(t, p)
	next := uint64(0)
	for range 100 { // some 60 times around
		write(t, p, next, 300)
		got := numbers(t, r)
		if len(got) != 300 {
			t.Fatalf("%d records from %d on; want 300", len(got), next)
		}
		for i, n := range got {
			if n != next+uint64(i) {
				t.Fatalf("record %d is number %d; want %d", i, n, next+uint64(i))
			}
		}
		next += 300
	}
	if n, err := p.Lost(); n != 0 || err != nil {
		t.Errorf("Lost() = %d, %v; want 0", n, err)
	}
}

func TestFullRingCountsWhatItLoses(t *testing.T) {
	p := loaded(t)
	r := opened(t, p)
	const count = 4000
	write(t, p, 0, count)
	got := uint64(len(numbers(t, r)))
	lost, err := p.Lost()
	if err != nil {
		t.Fatal(err)
	}
	if got == 0 || lost == 0 || got+lost != count {
		t.Errorf("read %d, lost %d of %d; want all of them in one of both", got, lost, count)
	}
	if lost, _ = p.Lost(); lost != 0 {
		t.Errorf("Lost() again = %d; want 0", lost)
	}
	write(t, p, 0, 1)
	if got := numbers(t, r); len(got) != 1 {
		t.Errorf("after the flood %d records; want 1", len(got))
	}
}

// TestRead: few records wait for the second, and are handed out together.
func TestRead(t *testing.T) {
	p := loaded(t)
	r := opened(t, p)
	write(t, p, 0, 3)
	ctx, stop := context.WithCancel(t.Context())
	var got, reads int
	err := r.Read(ctx, func([]byte) { got++ }, func() error {
		if reads++; reads == 2 {
			stop()
		}
		return nil
	})
	if err != nil || got != 3 || reads != 2 {
		t.Errorf("Read() = %v after %d records in %d reads; want nil, 3, 2", err, got, reads)
	}
	broken := errors.New("broken")
	if err := r.Read(t.Context(), nil, func() error { return broken }); err != broken {
		t.Errorf("Read() = %v; want the error of the reader", err)
	}
}

// TestHold: what is not ready waits, with what follows it, until the ring is half
// full.
func TestHold(t *testing.T) {
	p := loaded(t)
	r := opened(t, p)
	ready := uint64(2)
	r.Hold(func(b []byte) bool { return binary.LittleEndian.Uint64(b) != ready })
	write(t, p, 0, 5)
	before := int64(SinceBoot())
	if got := numbers(t, r); !slices.Equal(got, []uint64{0, 1}) {
		t.Errorf("first read = %v; want what comes before the one that is not ready", got)
	}
	if r.LastRead() < before {
		t.Errorf("LastRead() = %d; want at least %d", r.LastRead(), before)
	}
	if got := numbers(t, r); len(got) != 0 {
		t.Errorf("second read = %v; want nothing", got)
	}
	ready = 4
	if got := numbers(t, r); !slices.Equal(got, []uint64{2, 3}) {
		t.Errorf("third read = %v; want 2 and 3", got)
	}
	ready = 0
	r.Hold(func([]byte) bool { return false })
	count := uint64(0)
	for r.unread() <= r.mask/2 {
		write(t, p, 5+count, 1)
		count++
	}
	if got := numbers(t, r); uint64(len(got)) != 1+count {
		t.Errorf("%d records of a ring that is half full; want all %d", len(got), 1+count)
	}
}

// TestHalfFullRingWakesUp writes a flood in parts, each less than the ring holds.
// Without the wake-up one part a second is read, and patience ends before them.
func TestHalfFullRingWakesUp(t *testing.T) {
	p := loaded(t)
	r := opened(t, p)
	const part, parts = 800, 150
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	got, missed, reads := 0, 0, 0
	wrote := make(chan struct{}, 1)
	wrote <- struct{}{}
	done := make(chan error)
	go func() {
		done <- r.Read(ctx, func([]byte) { got++ }, func() error {
			reads++
			lost, err := p.Lost()
			if missed += int(lost); got+missed >= part*parts {
				stop()
			}
			select {
			case wrote <- struct{}{}:
			default:
			}
			return err
		})
	}()
	for i := range parts {
		select {
		case <-wrote:
			write(t, p, uint64(i*part), part)
		case <-ctx.Done():
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	// A read by the second's alarm in the middle of a part lets the next one begin
	// too early: a few find no room then, and are counted.
	if got+missed != part*parts || missed > part*parts/100 {
		t.Errorf("read %d, lost %d; want %d in all, at most 1 %% of them lost", got, missed, part*parts)
	}
	t.Logf("%d records in %d reads, %d lost", got, reads, missed)
}

// TestLinksOutliveTheCollector: a link that nobody refers to is closed by the
// garbage collector, without a word.
func TestLinksOutliveTheCollector(t *testing.T) {
	p := loaded(t)
	if err := p.Trace(); err != nil {
		t.Fatal(err)
	}
	r := opened(t, p)
	sees := func() bool {
		for range 3 {
			runtime.GC()
		}
		c := exec.Command("/proc/self/exe")
		c.Env = []string{roleKey + "=exit", "GORACE=atexit_sleep_ms=0"}
		if err := c.Run(); err != nil {
			t.Fatal(err)
		}
		found := false
		r.drain(func(b []byte) { found = found || binary.LittleEndian.Uint64(b) == uint64(c.Process.Pid) })
		return found
	}
	for range 3 {
		if !sees() {
			t.Fatal("an exec is not seen after a garbage collection; want the program attached")
		}
	}
	p.links = nil // the proof that the test can fail
	for range 20 {
		if !sees() {
			return
		}
	}
	t.Error("programs without a link still see; this test proves nothing")
}

func TestAble(t *testing.T) {
	full := t.TempDir()
	os.MkdirAll(filepath.Join(full, "kernel/btf"), 0o755)
	os.WriteFile(filepath.Join(full, "kernel/btf/vmlinux"), nil, 0o644)
	container := t.TempDir()
	os.MkdirAll(filepath.Join(container, "self/ns"), 0o755)
	os.Symlink("pid:[4026532000]", filepath.Join(container, "self/ns/pid"))
	tests := []struct {
		name, proc, sys string
		want            error
	}{
		{"both there", "", full, nil},
		{"kernel without types", "", t.TempDir(), collectors.ErrUnsupported},
		{"container with own pids", container, full, collectors.ErrUnsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := able(tt.proc, tt.sys); !errors.Is(err, tt.want) {
				t.Errorf("able() = %v; want %v", err, tt.want)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	if _, err := Load([]byte("no object"), "", "", nil); !errors.Is(err, collectors.ErrUnsupported) {
		t.Errorf("Load(garbage) = %v; want ErrUnsupported", err)
	}
	missing := func(spec *ebpf.CollectionSpec) error {
		spec.Programs["on_exec"].AttachTo = "no_such_event"
		return nil
	}
	if os.Getuid() == 0 {
		if _, err := Load(object, "", "", missing); !errors.Is(err, collectors.ErrUnsupported) {
			t.Errorf("Load(a kernel without the event) = %v; want ErrUnsupported", err)
		}
	}
}

// TestLoadWithoutCapability runs as another account.
func TestLoadWithoutCapability(t *testing.T) {
	if os.Getuid() == 0 {
		dir, err := os.MkdirTemp("", "kernel-test")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		os.Chmod(dir, 0o755)
		program, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "kernel.test")
		if err := os.WriteFile(path, program, 0o755); err != nil {
			t.Fatal(err)
		}
		c := exec.Command(path, "-test.run=^TestLoadWithoutCapability$", "-test.v")
		c.Dir, c.Env = "/", []string{}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4242, Gid: 4242}}
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("as uid 4242: %v\n%s", err, out)
		}
		return
	}
	_, err := Load(object, "", "", nil)
	if !errors.Is(err, collectors.ErrDenied) || !strings.Contains(err.Error(), "CAP_BPF") || strings.Contains(err.Error(), "MEMLOCK") {
		t.Errorf("Load() = %v; want ErrDenied with the capabilities' names", err)
	}
}
