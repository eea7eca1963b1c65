package connection

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// patience bounds a wait for the real system; nothing is asserted about it.
const patience = 60 * time.Second

// running is a collector at work, and what it emitted.
type running struct {
	t      *testing.T
	stats  collectors.Stats
	mu     sync.Mutex
	events []*eventv1.Event // guarded by mu
	more   chan struct{}
	stop   context.CancelFunc
	done   chan error
}

func testEnv(stats *collectors.Stats) collectors.Env {
	return collectors.Env{
		Log:   slog.New(slog.DiscardHandler),
		Stats: stats,
		Keeps: func(privacyv1.Class) bool { return true },
	}
}

// start runs run until the test ends or stopNow.
func start(t *testing.T, r *running, run func(context.Context, collectors.Emit) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r.t, r.stop = t, stop
	r.more, r.done = make(chan struct{}, 1), make(chan error, 1)
	go func() { r.done <- run(ctx, r.emit) }()
	t.Cleanup(stop)
}

func (r *running) emit(e *eventv1.Event) {
	r.mu.Lock()
	r.events = append(r.events, proto.Clone(e).(*eventv1.Event))
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// await waits until enough holds for what was emitted.
func (r *running) await(what string, enough func([]*eventv1.Event) bool) []*eventv1.Event {
	r.t.Helper()
	late := time.After(patience)
	for {
		r.mu.Lock()
		events := r.events[:len(r.events):len(r.events)]
		r.mu.Unlock()
		if enough(events) {
			return events
		}
		select {
		case <-r.more:
		case err := <-r.done:
			r.t.Fatalf("Run() = %v before %s", err, what)
		case <-late:
			r.t.Fatalf("no %s within %v; %d events", what, patience, len(events))
		}
	}
}

func (r *running) stopNow() {
	r.t.Helper()
	r.stop()
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Errorf("Run() = %v after ctx was done; want nil", err)
		}
	case <-time.After(patience):
		r.t.Fatalf("Run() did not return after ctx was done")
	}
}

// to returns the connections that called port, but for interim figures.
func to(events []*eventv1.Event, port uint16) []*eventv1.Connection {
	var found []*eventv1.Connection
	for _, e := range events {
		if c := e.GetConnection(); c.GetPort() == uint32(port) && !c.GetInterim() {
			found = append(found, c)
		}
	}
	return found
}
