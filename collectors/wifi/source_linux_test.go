package wifi

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// TestThisKernel runs on the kernel that is there. With Wi-Fi it takes a first
// look; without, it says so and waits. Either way it stops when told to.
func TestThisKernel(t *testing.T) {
	stats := &collectors.Stats{}
	c, err := New(collectors.Env{
		Log: slog.New(slog.DiscardHandler), Stats: stats,
		Keeps: func(privacyv1.Class) bool { return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, func(*eventv1.Event) {}) }()
	deadline := time.Now().Add(10 * time.Second)
	for stats.Rung() == eventv1.Rung_RUNG_UNSPECIFIED && stats.Note() == "" && time.Now().Before(deadline) {
		select {
		case err := <-done:
			t.Fatalf("Run() = %v before it looked", err)
		case <-time.After(time.Millisecond):
		}
	}
	t.Logf("rung %v, note %q", stats.Rung(), stats.Note())
	if stats.Rung() == eventv1.Rung_RUNG_UNSPECIFIED && stats.Note() == "" {
		t.Error("neither a source nor a reason after 10 s")
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run() = %v; want nil", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Run() goes on after its context is done")
	}
}
