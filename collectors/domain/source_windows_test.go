package domain

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// TestDeniedOrTraces: where the system does not let this program trace, the
// collector says that it is denied; else it traces.
func TestDeniedOrTraces(t *testing.T) {
	env := collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := (&Collector{env}).Run(ctx, func(*eventv1.Event) {})
	if err != nil && !errors.Is(err, collectors.ErrDenied) || err == nil && env.Stats.Rung() != eventv1.Rung_RUNG_ETW {
		t.Errorf("Run = %v with %v; want denied, or nil with ETW", err, env.Stats.Rung())
	}
}

// TestAskers: a process is known by its own file and account.
func TestAskers(t *testing.T) {
	a := newAskers()
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := a.of(uint32(os.Getpid())); got.path != me || got.sid == "" || got.key == 0 {
			t.Errorf("own process: path %q, key %d, an account %v; want this test's, and an account", got.path, got.key, got.sid != "")
		}
	}
	if got := a.of(1 << 30); got != (asker{}) {
		t.Errorf("no process: %+v; want nothing", got)
	}
}
