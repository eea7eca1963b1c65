package session

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"
)

// Idle is after how long without input a person counts as away.
const Idle = time.Minute

// Options are what a helper is made of.
type Options struct {
	Dir    string // where the service's socket is
	Log    *slog.Logger
	Getenv func(string) string
	Idle   time.Duration // 0: Idle
	Every  time.Duration // how often sums are told; 0: 30 s
	Retry  time.Duration // the first wait for a service that is not there; 0: 1 s
	Rest   func()        // gives memory back, every few minutes; nil: nothing does
	OnMain func(func())  // as Main gives it
	// Service is the way to the service that started this helper; nil: the socket is
	// asked for it. When it ends, so does the helper.
	Service net.Conn
}

// Helper looks after one session. Use NewHelper.
type Helper struct{ o Options }

// NewHelper returns a helper. It opens nothing.
func NewHelper(o Options) *Helper {
	if o.Idle == 0 {
		o.Idle = Idle
	}
	if o.Every == 0 {
		o.Every = reportEvery
	}
	if o.Retry == 0 {
		o.Retry = time.Second
	}
	if o.Rest == nil {
		o.Rest = func() {}
	}
	return &Helper{o}
}

// restAfter is after how many tellings memory is given back.
const restAfter = 4

// longestRetry bounds the wait for a service that is not there, or that wants
// nothing and has no socket.
const longestRetry = time.Minute

// Run serves the service until ctx is done. A service that is not there, or that
// ends, is waited for.
func (h *Helper) Run(ctx context.Context) error {
	if h.o.Service != nil {
		h.over(ctx, h.o.Service)
		return nil
	}
	wait := h.o.Retry
	for ctx.Err() == nil {
		began := time.Now()
		h.once(ctx)
		if time.Since(began) > longestRetry {
			wait = h.o.Retry
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, longestRetry)
	}
	return nil
}

// once serves one connection to the socket.
func (h *Helper) once(ctx context.Context) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", filepath.Join(h.o.Dir, SocketName))
	if err != nil {
		return
	}
	h.over(ctx, c)
}

// over serves a connection until it ends.
func (h *Helper) over(ctx context.Context, c net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	wants := make(chan Wants)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer c.Close() // after the last sums: it ends the reader too
	defer cancel()
	reader.Go(func() {
		defer cancel()
		lines := bufio.NewScanner(c)
		lines.Buffer(make([]byte, 0, maxLine), maxLine)
		for lines.Scan() {
			var w Wants
			if json.Unmarshal(lines.Bytes(), &w) != nil {
				return
			}
			select {
			case wants <- w:
			case <-ctx.Done():
				return
			}
		}
	})
	var now Wants
	for {
		var ok bool
		if now, ok = h.serve(ctx, c, now, wants); !ok {
			return
		}
	}
}

// serve does what is wanted until something else is. It reports false when the
// connection ended.
func (h *Helper) serve(ctx context.Context, c net.Conn, want Wants, wants <-chan Wants) (Wants, bool) {
	ctx, cancel := context.WithCancel(ctx)
	events := make(chan event)
	var sources sync.WaitGroup
	defer sources.Wait()
	defer cancel()
	tick := time.NewTicker(h.o.Every)
	defer tick.Stop()
	t := newTracker(want, h.o.Idle, awake)
	if want != (Wants{}) {
		d := &desk{ctx, h.o.Getenv, want, h.o.Idle, events, h.o.OnMain}
		sources.Go(func() {
			for _, run := range desktops(d) {
				sources.Go(func() { h.keep(ctx, d, run) })
			}
		})
	} else {
		tick.Stop()
	}
	for told := 1; ; {
		select {
		case <-ctx.Done():
			h.tell(c, t.flush(true)) // the service may still read it
			return want, false
		case next := <-wants:
			h.tell(c, t.flush(true))
			return next, true
		case <-tick.C:
			if !h.tell(c, t.flush(false)) {
				return want, false
			}
			if told++; told%restAfter == 0 {
				h.o.Rest()
			}
		case e := <-events:
			if r, ok := t.take(e); ok && !h.tell(c, []Report{r}) {
				return want, false
			}
		}
	}
}

// take puts an event into the sums. A reason is a report of its own.
func (t *tracker) take(e event) (Report, bool) {
	switch e.kind {
	case focus:
		t.focus(e.front)
	case answers:
		t.answers()
	case idle:
		t.idle(e.quiet)
	case resumed:
		t.resumed()
	case suspend:
		t.suspend(true)
	case resume:
		t.suspend(false)
	case gone:
		t.focus(program{})
		t.idle(0)
		t.tells = false
	case reason:
		if e.of {
			return Report{FocusWhy: e.why}, t.want.Focus
		}
		return Report{ActivityWhy: e.why}, t.want.Activity
	}
	return Report{}, false
}

// keep runs one source, and again when it ends, later and later.
func (h *Helper) keep(ctx context.Context, d *desk, run desktop) {
	wait := time.Second
	for {
		began := time.Now()
		_ = run(ctx, d) // its text can hold a path of the person's; why nothing is told goes to the service
		if ctx.Err() != nil {
			return
		}
		h.o.Log.Info("a source of the session ended", "restart_in", wait)
		if time.Since(began) > longestRetry {
			wait = time.Second
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		wait = min(2*wait, 5*time.Minute)
	}
}

// tell writes reports. It reports false where the service does not take them.
func (h *Helper) tell(c net.Conn, reports []Report) bool {
	_ = c.SetWriteDeadline(time.Now().Add(5 * time.Second))
	for _, r := range reports {
		if _, err := c.Write(encode(r)); err != nil {
			return false
		}
	}
	return true
}
