package session

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/discreet-agent/discreet/collectors"
)

// world is a server with one follower of each kind.
type world struct {
	t     *testing.T
	dir   string
	stats [2]collectors.Stats

	mu      sync.Mutex
	focused []collectors.Focused
	active  []collectors.Active
}

// newWorld starts a server; stop ends both followers. Its callers all are uid 4242.
func newWorld(t *testing.T) (w *world, stop func()) {
	t.Helper()
	w = &world{t: t, dir: t.TempDir()}
	s := NewServerOn(func() (net.Listener, error) { return listenIn(w.dir) }, slog.New(slog.DiscardHandler), func(net.Conn) (uint32, bool) { return 4242, true })
	ctx, cancel := context.WithCancel(t.Context())
	var both sync.WaitGroup
	both.Go(func() {
		if err := s.Focus(ctx, collectors.Env{Stats: &w.stats[0]}, func(f collectors.Focused) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.focused = append(w.focused, f)
		}); err != nil {
			t.Errorf("Focus() = %v", err)
		}
	})
	both.Go(func() {
		if err := s.Activity(ctx, collectors.Env{Stats: &w.stats[1]}, func(a collectors.Active) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.active = append(w.active, a)
		}); err != nil {
			t.Errorf("Activity() = %v", err)
		}
	})
	w.until("the socket is there", func() bool { _, err := os.Stat(filepath.Join(w.dir, SocketName)); return err == nil })
	return w, func() { cancel(); both.Wait() }
}

func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			w.t.Fatalf("after 10 s not yet: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func (w *world) dial() (net.Conn, *bufio.Reader) {
	w.t.Helper()
	c, err := dialIn(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c, bufio.NewReader(c)
}

func (w *world) counts() (focused, active int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.focused), len(w.active)
}

func TestServer(t *testing.T) {
	w, stop := newWorld(t)
	c, r := w.dial()
	for want := ""; want != `{"focus":true,"activity":true}`; {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("wanted %q, then %v; want both kinds", want, err)
		}
		want = strings.TrimSpace(line)
	}
	fmt.Fprint(c, `{"focus_why":"gnome","activity_why":"ok"}`+"\n")
	w.until("the reason is noted", func() bool { return w.stats[0].Note() == texts[WhyGNOME] && w.stats[1].Note() == "" })
	fmt.Fprint(c, `{"focus":1500,"pid":7,"app":"editor"}`+"\n"+`{"active":500}`+"\n")
	w.until("both reports came", func() bool { f, a := w.counts(); return f == 1 && a == 1 })
	if got, want := w.focused[0], (collectors.Focused{UID: 4242, PID: 7, App: "editor", Span: 1500 * time.Millisecond}); got != want {
		t.Errorf("focus = %+v; want %+v", got, want)
	}
	c.Close()
	w.until("the helper is missed", func() bool { return strings.Contains(w.stats[1].Note(), "no session helper") })
	stop()
	if _, err := os.Stat(filepath.Join(w.dir, SocketName)); err == nil {
		t.Error("the socket is there though nobody follows")
	}
}

// TestLyingHelpersAreCutOff: more time than has passed, more lines than a person
// can cause, words that are none.
func TestLyingHelpersAreCutOff(t *testing.T) {
	w, stop := newWorld(t)
	defer stop()
	for name, text := range map[string]string{
		"an hour at once":      `{"focus":3600000,"app":"a"}` + "\n",
		"a minute at once":     `{"active":60000}` + "\n",
		"a minute in parts":    strings.Repeat(`{"active":1000}`+"\n", 60),
		"a flood":              strings.Repeat(`{"focus":1,"app":"a"}`+"\n", 1000),
		"no JSON":              "hello\n",
		"another reason":       `{"focus_why":"Maria's laptop"}` + "\n",
		"a control character":  `{"focus":1,"app":"a\u0007"}` + "\n",
		"a name without end":   `{"focus":1,"app":"` + strings.Repeat("a", maxApp+1) + "\"}\n",
		"a line without end":   strings.Repeat("a", 4*maxLine),
		"negative time":        `{"focus":-1,"app":"a"}` + "\n",
		"time that overflows":  `{"focus":4294967295,"app":"a"}` + "\n",
		"a time that is float": `{"active":1e3}` + "\n",
	} {
		c, r := w.dial()
		go fmt.Fprint(c, text)
		for {
			if _, err := r.ReadString('\n'); err != nil {
				if os.IsTimeout(err) {
					t.Errorf("%s: still connected after 10 s", name)
				}
				break
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var total time.Duration
	for _, a := range w.active {
		total += a.Span
	}
	if total > 5*time.Second {
		t.Errorf("%v of active time was believed; want what has passed at most", total)
	}
}

// TestHelpersAreBounded: one person has a few helpers, not a thousand.
func TestHelpersAreBounded(t *testing.T) {
	w, stop := newWorld(t)
	defer stop()
	open := 0
	for range 100 {
		_, r := w.dial()
		if _, err := r.ReadString('\n'); err == nil {
			open++
		}
	}
	if open != maxPerUser {
		t.Errorf("%d helpers of one person were taken; want %d", open, maxPerUser)
	}
}

func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"focus":1500,"pid":7,"app":"editor","focus_why":"ok"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseReport(line)
		if err == nil && (len(r.App) > maxApp || r.App != tidyApp(r.App) || time.Duration(r.Focus)*time.Millisecond > maxReport) {
			t.Errorf("parseReport took %d bytes of a name, %d ms", len(r.App), r.Focus)
		}
	})
}

// TestSteadyHelperStays: lines at the pace that is allowed are taken for as long as
// they come, also where each comes a little before its time.
func TestSteadyHelperStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer("", slog.New(slog.DiscardHandler), nil)
		ours, theirs := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- s.serve(&helper{c: ours}) }()
		for i := range 1000 {
			wait := refillEach - 50*time.Millisecond
			if i%2 == 1 {
				wait = refillEach + 50*time.Millisecond
			}
			time.Sleep(wait)
			if _, err := fmt.Fprintln(theirs, `{"active":1}`); err != nil {
				t.Fatalf("line %d: %v; want it taken", i, err)
			}
		}
		theirs.Close()
		if err := <-done; err != nil {
			t.Errorf("serve() = %v; want nil", err)
		}
	})
}
