package domain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// capabilities returns the line of the calling thread's effective capabilities.
func capabilities(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/status", unix.Gettid()))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "Cap") && !strings.HasPrefix(line, "CapBnd") || strings.HasPrefix(line, "NoNewPrivs") {
			out = append(out, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(out, ", ")
}

// TestDecoderHasNoCapability looks at the very threads on which the sources hand
// out their packets.
func TestDecoderHasNoCapability(t *testing.T) {
	serve(t)
	for _, rung := range rungs {
		t.Run(rung.String(), func(t *testing.T) { decoderHasNoCapability(t, rung) })
	}
}

func decoderHasNoCapability(t *testing.T, rung eventv1.Rung) {
	opened, err := open(rung, collectors.Env{})
	if err != nil {
		if os.Getuid() != 0 {
			t.Skipf("needs capabilities(7): %v", err)
		}
		t.Fatal(err)
	}
	src := opened.(watched).src
	defer src.Close()
	before := capabilities(t)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	var saw string
	var thread int
	asked := make(chan error, 1)
	go func() { asked <- ask(ctx, "udp", nameOf("udp", 0)) }()
	take := func(*packet) { saw, thread = capabilities(t), unix.Gettid() }
	err = src.read(ctx, take, func(program) {}, func(int64) error {
		if saw != "" {
			stop()
		}
		return nil
	})
	if err := errors.Join(err, <-asked); err != nil {
		t.Fatal(err)
	}
	const none = "0000000000000000"
	want := fmt.Sprintf("CapInh: %s, CapPrm: %s, CapEff: %s, CapAmb: %s, NoNewPrivs: 1", none, none, none, none)
	if saw != want {
		t.Errorf("the decoder's thread has %q; want %s", saw, want)
	}
	if after := capabilities(t); after != before {
		t.Errorf("another thread has %s; want %s as before", after, before)
	}
	// The system takes it away a moment after its goroutine has ended.
	for range 1000 {
		if _, err = os.Stat(fmt.Sprintf("/proc/self/task/%d", thread)); errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("the decoder's thread is still there (%v); want it gone", err)
}

// TestDecoderWaits: until the process has given up its rights no thread of it may
// have fewer than the others.
func TestDecoderWaits(t *testing.T) {
	settled := make(chan struct{})
	src := &spy{look: func() string {
		select {
		case <-settled:
			return "after"
		default:
			return "before"
		}
	}}
	c := &Collector{env: collectors.Env{Stats: &collectors.Stats{}, Settled: settled}}
	ended := make(chan error)
	go func() { ended <- c.watch(t.Context(), src, func(*eventv1.Event) {}) }()
	time.Sleep(10 * time.Millisecond) // enough for one that does not wait
	close(settled)
	if err := <-ended; err != nil || src.saw != "after" {
		t.Errorf("watch() = %v, read %s the process has settled; want after", err, src.saw)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	c.env.Settled = make(chan struct{})
	if err := c.watch(ctx, &spy{}, func(*eventv1.Event) {}); err != nil {
		t.Errorf("watch() of what never settles = %v; want nil once it is stopped", err)
	}
}

// TestDecoderOpensNothingNew: what the collector needs rights for it has opened
// before, and the thread could not open it.
func TestDecoderOpensNothingNew(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to have something to lose (capabilities(7))")
	}
	c, err := confine()
	if err != nil {
		t.Fatal(err)
	}
	defer c.end()
	c.do(func() { _, err = openPackets() })
	if !errors.Is(err, unix.EPERM) {
		t.Errorf("openPackets() without capabilities = %v; want %v", err, unix.EPERM)
	}
}

// spy is a source that looks around when it is read.
type spy struct {
	fake
	look func() string
	saw  string
}

func (s *spy) read(context.Context, func(*packet), func(program), func(int64) error) error {
	s.saw = s.look()
	return nil
}

// TestDecoderIsNotTheFirstThread: the first thread of a process cannot end before it,
// and would be left without rights.
func TestDecoderIsNotTheFirstThread(t *testing.T) {
	t.Setenv("GOMAXPROCS", "1")
	client(t, uint32(os.Getuid()), "first:1")
}

// notTheFirst wants the decoder's thread to be another than the first one, which the
// one processor of this process is at when it asks for it.
func notTheFirst() error {
	c, err := confine()
	if err != nil {
		return err
	}
	defer c.end()
	var thread int
	c.do(func() { thread = unix.Gettid() })
	if thread == os.Getpid() {
		return errors.New("the decoder has the first thread, which cannot end")
	}
	return nil
}
