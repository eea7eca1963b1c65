package session

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hostFake plays a system: a helper in it is one end of a pipe.
type hostFake struct {
	mu      sync.Mutex
	open    []uint32
	broken  error
	started []uint32
	theirs  map[uint32]net.Conn
}

func (h *hostFake) sessions() ([]uint32, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.open), nil
}

func (h *hostFake) start(session uint32) (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started = append(h.started, session)
	if h.broken != nil {
		return nil, h.broken
	}
	ours, theirs := net.Pipe()
	h.theirs[session] = theirs
	return &pipes{in: ours, out: ours, session: session}, nil
}

func (h *hostFake) set(do func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do()
}

// takeStarted returns who was started since the last time.
func (h *hostFake) takeStarted() (s []uint32) {
	h.set(func() { s, h.started = h.started, nil })
	slices.Sort(s)
	return s
}

// launch starts a launcher; what it brings is accepted and read to its end.
func launch(t *testing.T, h *hostFake) (l *Launcher, n net.Listener, done func()) {
	t.Helper()
	h.theirs = map[uint32]net.Conn{}
	l = newLauncher(h, slog.New(slog.DiscardHandler))
	n, err := l.Listen()
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := n.Accept()
			if err != nil {
				return
			}
			all.Go(func() { _, _ = io.Copy(io.Discard, c); c.Close() })
		}
	})
	return l, n, func() { n.Close(); all.Wait() }
}

func TestLauncherKeepsOneForEachSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hostFake{open: []uint32{1, 2}}
		l, _, done := launch(t, h)
		synctest.Wait()
		if got := h.takeStarted(); !slices.Equal(got, []uint32{1, 2}) {
			t.Errorf("started %v; want 1 and 2", got)
		}
		h.set(func() { h.open = []uint32{2, 3} })
		l.Changed()
		l.Changed() // it does not wait
		synctest.Wait()
		if got := h.takeStarted(); !slices.Equal(got, []uint32{3}) {
			t.Errorf("another logged on: started %v; want 3", got)
		}
		if _, err := h.theirs[1].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the helper of a session that is over reads %v; want its end", err)
		}
		h.set(func() { h.open = []uint32{2, 3, 4} })
		time.Sleep(lookEvery)
		synctest.Wait()
		if got := h.takeStarted(); !slices.Equal(got, []uint32{4}) {
			t.Errorf("nobody said that another logged on: started %v; want 4 in half a minute", got)
		}
		done()
		for id, c := range h.theirs {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("closed: helper %d reads %v; want its end", id, err)
			}
		}
	})
}

// TestLauncherStartsAgain: later and later, and soon again for one that lasted.
func TestLauncherStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hostFake{open: []uint32{1}, broken: errors.New("broken")}
		_, _, done := launch(t, h)
		defer done()
		time.Sleep(16 * time.Second)
		synctest.Wait()
		if got := len(h.takeStarted()); got != 5 { // at 0, 1, 3, 7 and 15 s
			t.Errorf("tried %d times in 16 s; want 5", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := len(h.takeStarted()); got < 11 || got > 17 {
			t.Errorf("tried %d times in an hour; want one in five minutes, and some before", got)
		}
		h.set(func() { h.broken = nil })
		time.Sleep(startMaxPause)
		synctest.Wait()
		h.takeStarted()
		time.Sleep(startMaxPause + time.Second)
		h.theirs[1].Close()
		time.Sleep(startPause)
		synctest.Wait()
		if got := len(h.takeStarted()); got != 1 {
			t.Errorf("one that lasted ended: started %d in a second; want 1", got)
		}
	})
}

// TestPipesNeverWait: a helper that does not read is told no more than a pipe keeps.
func TestPipesNeverWait(t *testing.T) {
	var kept sink
	p := &pipes{out: &kept}
	var err error
	for n := 0; err == nil; n++ {
		if _, err = p.Write(make([]byte, 100)); n > 100 {
			t.Fatal("it is told for ever")
		}
	}
	if !errors.Is(err, errFull) || int(kept) > pipeRoom {
		t.Errorf("%d bytes, then %v; want at most %d, then %v", kept, err, pipeRoom, errFull)
	}
	helper := Stdio(nil, &kept).(*pipes)
	for range 100 {
		if _, err := helper.Write(make([]byte, 100)); err != nil {
			t.Fatalf("the helper's own end: %v; want no bound", err)
		}
	}
	if _, ok := SessionOf(helper); !ok {
		t.Error("a pipe has no session")
	}
	if _, ok := SessionOf(nil); ok {
		t.Error("no connection has a session")
	}
}

// sink counts what is written.
type sink int

func (s *sink) Write(b []byte) (int, error) { *s += sink(len(b)); return len(b), nil }
func (*sink) Close() error                  { return nil }
