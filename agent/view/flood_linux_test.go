package view

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// asked answers everything with a text of that many bytes, and counts.
func asked(size int) (Reply, *atomic.Int64) {
	n := &atomic.Int64{}
	text := strings.Repeat("x", size)
	return func(context.Context, Caller, Request) (any, error) { n.Add(1); return text, nil }, n
}

func dial(t *testing.T, dir string) net.Conn {
	t.Helper()
	for {
		c, err := net.Dial("unix", filepath.Join(dir, socketName))
		if err == nil {
			return c
		}
		if !errors.Is(err, syscall.EAGAIN) { // the queue of the socket is full
			t.Fatal(err)
		}
		runtime.Gosched()
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestS60FloodOfCallers connects 10,000 times, with garbage, with half a request,
// with a request whose answer nobody reads, and with nothing. Then the next who
// asks gets an answer, and no descriptor and no goroutine is left.
func TestS60FloodOfCallers(t *testing.T) {
	reply, n := asked(64 << 10)
	dir := serveIn(t, reply)
	fds, routines := descriptors(t), runtime.NumGoroutine()
	for i := range 10_000 {
		c := dial(t, dir)
		switch i % 5 {
		case 0:
			_, _ = io.WriteString(c, "\x00\xff garbage\n")
		case 1:
			_, _ = io.WriteString(c, `{"command":"sta`)
		case 2:
			_, _ = io.WriteString(c, `{"command":"status"}`+"\n")
		case 3:
			_, _ = io.WriteString(c, `{"command":"`+strings.Repeat("a", maxRequest)+`"}`+"\n")
		}
		c.Close()
	}
	for over := time.Now().Add(2 * time.Minute); ; {
		var got string
		err := Ask(dir, Request{Command: "status"}, &got)
		if err == nil {
			break
		}
		// Too many at once, or no answer in time: the flood is not over.
		if !errors.Is(err, ErrPermission) && !errors.Is(err, os.ErrDeadlineExceeded) || time.Now().After(over) {
			t.Fatalf("Ask after the flood = %v", err)
		}
	}
	if n.Load() > 2001 {
		t.Errorf("%d requests were answered; want at most the 2,000 that were whole", n.Load())
	}
	for deadline := time.Now().Add(10 * time.Second); descriptors(t) > fds || runtime.NumGoroutine() > routines; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("after the flood %d descriptors and %d goroutines are open; want %d and %d", descriptors(t), runtime.NumGoroutine(), fds, routines)
		}
	}
}

// TestS60OneUserCannotKeepOthersOut holds every call that one user may have open:
// the next is refused, and a call that ends makes room.
func TestS60OneUserCannotKeepOthersOut(t *testing.T) {
	inside := make(chan struct{}, maxCallers)
	dir := serveIn(t, func(ctx context.Context, _ Caller, q Request) (any, error) {
		if q.Command != "hold" {
			return "here", nil
		}
		return Stream(func(func(any) error) error { inside <- struct{}{}; <-ctx.Done(); return nil }), nil
	})
	var held []net.Conn
	for range perUser {
		c := dial(t, dir)
		_ = json.NewEncoder(c).Encode(Request{Command: "hold"})
		held = append(held, c)
		<-inside
	}
	var got string
	for range 3 * maxCallers {
		if err := Ask(dir, Request{Command: "x"}, &got); !errors.Is(err, ErrPermission) {
			t.Fatalf("Ask past %d open calls = %v; want ErrPermission", perUser, err)
		}
	}
	users := &counter{of: map[Caller]int{}}
	for range perUser {
		users.enter(Caller{UID: 1, Known: true})
	}
	if users.enter(Caller{UID: 1, Known: true}) || !users.enter(Caller{UID: 2, Known: true}) {
		t.Error("a full user is let in, or another is kept out")
	}
	for _, c := range held {
		c.Close()
	}
	for err := error(ErrPermission); errors.Is(err, ErrPermission); err = Ask(dir, Request{Command: "x"}, &got) {
		runtime.Gosched()
	}
	if got != "here" {
		t.Errorf("after the calls ended the answer is %q; want one", got)
	}
}

// TestS60CallerWhoNeverReads asks for more than the socket holds and reads
// nothing: the call ends by itself, and others were answered meanwhile.
func TestS60CallerWhoNeverReads(t *testing.T) {
	ended := make(chan error, 1)
	dir := serveIn(t, func(_ context.Context, _ Caller, q Request) (any, error) {
		if q.Command == "x" {
			return "here", nil
		}
		return Stream(func(send func(any) error) error {
			for {
				if err := send(strings.Repeat("x", 64<<10)); err != nil {
					ended <- err
					return err
				}
			}
		}), nil
	})
	c := dial(t, dir)
	defer c.Close()
	_ = json.NewEncoder(c).Encode(Request{Command: "stream"})
	var got string
	if err := Ask(dir, Request{Command: "x"}, &got); err != nil || got != "here" {
		t.Errorf("Ask beside a caller who never reads = %q, %v", got, err)
	}
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the call ended with %v; want its deadline", err)
	}
}

// TestServeOutlivesAnAcceptThatFails stands for the moment in which no descriptor
// is free.
func TestServeOutlivesAnAcceptThatFails(t *testing.T) {
	dir := t.TempDir()
	s, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.l = &failing{Listener: s.l, left: 2}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(ctx, func(context.Context, Caller, Request) (any, error) { return "here", nil })
	}()
	var got string
	if err := Ask(dir, Request{Command: "x"}, &got); err != nil || got != "here" {
		t.Errorf("Ask after Accept failed twice = %q, %v", got, err)
	}
	stop()
	<-done
}

// failing is a listener whose first calls of Accept fail.
type failing struct {
	net.Listener
	left int
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left--; f.left >= 0 {
		return nil, syscall.EMFILE
	}
	return f.Listener.Accept()
}
