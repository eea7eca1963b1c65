package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// A broken collector is started again after minPause, then later and later up
// to maxPause. A run of healthyRun forgives what was before it.
const (
	minPause   = time.Second
	maxPause   = 5 * time.Minute
	healthyRun = 10 * time.Minute
)

// CollectorState is what became of one collector.
type CollectorState struct {
	Name     string `json:"name"`
	Doc      string `json:"doc"`
	State    string `json:"state"` // running, disabled, off_by_policy, quiet, unsupported, denied, failed, stopped
	Reason   string `json:"reason,omitempty"`
	Rung     string `json:"rung,omitempty"`
	Events   uint64 `json:"events"`
	Lost     uint64 `json:"lost"`
	Restarts uint64 `json:"restarts"`
}

// plan is how one collector is to run: what of the settings and the policy
// concerns it. Collectors whose plan does not change are left alone by a change
// of settings.
type plan struct {
	state string // "" to run it, else the state that keeps it off
	why   string
	rung  eventv1.Rung
	keeps [32]bool // by class
	asset collectors.Asset
}

// same reports whether a running collector may go on under q.
func (p plan) same(q plan) bool {
	return p.state == q.state && p.why == q.why && p.rung == q.rung && p.keeps == q.keeps &&
		p.asset.ID == q.asset.ID && fmt.Sprint(p.asset.Tags) == fmt.Sprint(q.asset.Tags)
}

// supervisor runs one collector and keeps its account.
type supervisor struct {
	log  *slog.Logger
	spec collectors.Spec
	emit collectors.Emit

	events   atomic.Uint64
	restarts atomic.Uint64
	stats    collectors.Stats

	mu     sync.Mutex // guards what follows
	plan   plan
	state  string
	reason string
	stop   context.CancelFunc
	done   chan struct{}
}

func newSupervisor(log *slog.Logger, spec collectors.Spec, emit func(*eventv1.Event) bool) *supervisor {
	s := &supervisor{log: log.With("collector", spec.Name), spec: spec, state: "stopped"}
	s.emit = func(ev *eventv1.Event) {
		if emit(ev) {
			s.events.Add(1)
		}
	}
	return s
}

// follow puts p in force: it starts, stops or restarts the collector, or leaves
// it alone. It returns when a collector that must stop has stopped.
func (s *supervisor) follow(ctx context.Context, p plan, env collectors.Env) {
	s.mu.Lock()
	unchanged := s.done != nil && s.plan.same(p)
	s.mu.Unlock()
	if unchanged {
		return
	}
	s.halt()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = p
	if p.state != "" {
		s.state, s.reason = p.state, p.why
		return
	}
	env.Log, env.Stats, env.Rung, env.Asset = s.log, &s.stats, p.rung, p.asset
	env.Keeps = func(c privacyv1.Class) bool { return int(c) < len(p.keeps) && c >= 0 && p.keeps[c] }
	ctx, s.stop = context.WithCancel(ctx)
	s.done = make(chan struct{})
	s.state, s.reason = "running", ""
	go func(done chan struct{}) {
		defer close(done)
		s.keep(ctx, env)
	}(s.done)
}

// halt stops the collector and waits for it.
func (s *supervisor) halt() {
	s.mu.Lock()
	stop, done := s.stop, s.done
	s.mu.Unlock()
	if done == nil {
		return
	}
	stop()
	<-done
	s.mu.Lock()
	s.stop, s.done, s.state, s.reason = nil, nil, "stopped", ""
	s.mu.Unlock()
}

// keep runs the collector until ctx is done or it cannot work here at all.
func (s *supervisor) keep(ctx context.Context, env collectors.Env) {
	pause := minPause
	for {
		began := time.Now()
		err := s.once(ctx, env)
		if ctx.Err() != nil {
			return
		}
		switch {
		case err == nil:
			err = errors.New("ended by itself")
		case errors.Is(err, collectors.ErrUnsupported):
			s.set("unsupported", err.Error())
			return
		case errors.Is(err, collectors.ErrDenied):
			s.set("denied", err.Error())
			return
		}
		if time.Since(began) > healthyRun {
			pause = minPause
		}
		s.set("failed", err.Error())
		s.log.Warn("collector stopped", "err", err, "restart_in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, maxPause)
		s.restarts.Add(1)
		s.set("running", "")
	}
}

// once makes the collector and runs it. A panic in it ends only this run; its
// message may hold a value of an event and is not kept.
func (s *supervisor) once(ctx context.Context, env collectors.Env) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic of type %T at %s", r, panicSite())
		}
	}()
	c, err := s.spec.New(env)
	if err != nil {
		return err
	}
	return c.Run(ctx, s.emit)
}

// panicSite returns the function and line where the panic being recovered began.
func panicSite() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		f, more := frames.Next()
		if f.Function != "" && f.Function != "runtime.gopanic" && f.Function != "runtime.panicmem" && f.Function != "runtime.sigpanic" && f.Function != "runtime.goPanicIndex" {
			return fmt.Sprintf("%s:%d", f.Function, f.Line)
		}
		if !more {
			return "unknown"
		}
	}
}

func (s *supervisor) set(state, reason string) {
	s.mu.Lock()
	s.state, s.reason = state, reason
	s.mu.Unlock()
}

// report returns the collector's account.
func (s *supervisor) report() CollectorState {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := CollectorState{
		Name: s.spec.Name, Doc: s.spec.Doc, State: s.state, Reason: s.reason,
		Events: s.events.Load(), Lost: s.stats.Lost(), Restarts: s.restarts.Load(),
	}
	if s.state == "running" {
		st.Rung, st.Reason = rungName(s.stats.Rung()), s.stats.Note()
	}
	return st
}
