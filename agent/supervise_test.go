package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// runFunc is a collector made of a function.
type runFunc func(context.Context, collectors.Emit) error

func (f runFunc) Run(ctx context.Context, emit collectors.Emit) error { return f(ctx, emit) }

func specOf(run runFunc) collectors.Spec {
	return collectors.Spec{Name: "fake", New: func(collectors.Env) (collectors.Collector, error) { return run, nil }}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func taken(*eventv1.Event) bool { return true }

func TestSuperviseStates(t *testing.T) {
	for _, c := range []struct {
		name, state, reason string
		run                 runFunc
	}{
		{"runs", "running", "", func(ctx context.Context, _ collectors.Emit) error { <-ctx.Done(); return nil }},
		{"unsupported", "unsupported", "no radio", func(context.Context, collectors.Emit) error {
			return fmt.Errorf("no radio: %w", collectors.ErrUnsupported)
		}},
		{"denied", "denied", "needs CAP_NET_ADMIN", func(context.Context, collectors.Emit) error {
			return fmt.Errorf("needs CAP_NET_ADMIN: %w", collectors.ErrDenied)
		}},
		{"breaks", "failed", "socket broke", func(context.Context, collectors.Emit) error { return errors.New("socket broke") }},
		{"ends", "failed", "ended by itself", func(context.Context, collectors.Emit) error { return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				s := newSupervisor(quiet(), specOf(c.run), taken)
				s.follow(ctx, plan{}, collectors.Env{})
				synctest.Wait()
				if got := s.report(); got.State != c.state || !strings.Contains(got.Reason, c.reason) {
					t.Errorf("report() = %s, %q; want %s, %q", got.State, got.Reason, c.state, c.reason)
				}
				stop()
				s.halt()
			})
		})
	}
}

func TestRestartsLaterAndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var starts []time.Duration
		began := time.Now()
		s := newSupervisor(quiet(), specOf(func(context.Context, collectors.Emit) error {
			starts = append(starts, time.Since(began))
			return errors.New("broken")
		}), taken)
		s.follow(ctx, plan{}, collectors.Env{})
		time.Sleep(20 * time.Minute)
		stop()
		s.halt()
		want := []time.Duration{0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111}
		if len(starts) != len(want) {
			t.Fatalf("%d starts in 20 minutes; want %d", len(starts), len(want))
		}
		for i, w := range want {
			if starts[i] != w*time.Second {
				t.Errorf("start %d at %s; want %s", i, starts[i], w*time.Second)
			}
		}
	})
}

// TestPanicCostsOnlyItsCollector also checks that a panic's text, which may hold
// a value of an event, is nowhere in the report.
func TestPanicCostsOnlyItsCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		s := newSupervisor(quiet(), specOf(func(context.Context, collectors.Emit) error { panic("zz-canary-7f3a") }), taken)
		s.follow(ctx, plan{}, collectors.Env{})
		synctest.Wait()
		got := s.report()
		if got.State != "failed" || !strings.Contains(got.Reason, "panic of type string at") || strings.Contains(got.Reason, "canary") {
			t.Errorf("report() = %s, %q; want failed, the type and place of the panic, and no value", got.State, got.Reason)
		}
		stop()
		s.halt()
	})
}

func TestFollowLeavesUnchangedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts atomic.Int32
		ctx, stop := context.WithCancel(t.Context())
		s := newSupervisor(quiet(), specOf(func(ctx context.Context, _ collectors.Emit) error {
			starts.Add(1)
			<-ctx.Done()
			return nil
		}), taken)
		var on plan
		on.keeps[privacyv1.Class_PROCESSES] = true
		s.follow(ctx, on, collectors.Env{})
		synctest.Wait()
		s.follow(ctx, on, collectors.Env{})
		synctest.Wait()
		if n := starts.Load(); n != 1 {
			t.Errorf("%d starts under an unchanged plan; want 1", n)
		}
		more := on
		more.keeps[privacyv1.Class_DEVICE_SERIAL] = true
		s.follow(ctx, more, collectors.Env{})
		synctest.Wait()
		if n := starts.Load(); n != 2 {
			t.Errorf("%d starts after a class was let through; want 2", n)
		}
		s.follow(ctx, plan{state: "off_by_policy", why: "processes=drop"}, collectors.Env{})
		if got := s.report(); got.State != "off_by_policy" || got.Reason != "processes=drop" {
			t.Errorf("report() = %s, %q; want off_by_policy with its reason", got.State, got.Reason)
		}
		stop()
	})
}
