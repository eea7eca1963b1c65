package identity_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/discreet-agent/discreet/agent/identity"
	"github.com/discreet-agent/discreet/gateway/access/accesstest"
)

func discardTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// ensure runs EnsureEnrolled beside the test.
func ensure(t *testing.T, ctx context.Context, b *bubble) <-chan error {
	done := make(chan error, 1)
	go func() {
		id, err := identity.EnsureEnrolled(ctx, b.w.req, b.w.log)
		if err == nil && id.Device() == "" {
			err = errors.New("no device")
		}
		done <- err
	}()
	return done
}

// arrives waits for the end of EnsureEnrolled, for at most d of the bubble's time.
func arrives(t *testing.T, done <-chan error, d time.Duration) {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("EnsureEnrolled() = %v; want success", err)
		}
	case <-time.After(d):
		t.Errorf("EnsureEnrolled() still waits after %v", d)
	}
}

func waits(t *testing.T, done <-chan error, d time.Duration) {
	t.Helper()
	select {
	case err := <-done:
		t.Fatalf("EnsureEnrolled() = %v; want it to wait", err)
	case <-time.After(d):
	}
}

func TestEnsureEnrolledGatewayAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		writeToken(t, b.w.req.TokenFile, b.w.token)
		var tries atomic.Int64
		dial := b.w.req.Dial
		b.w.req.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			tries.Add(1)
			return dial(ctx, addr)
		}
		done := ensure(t, t.Context(), b)
		waits(t, done, 30*time.Minute)
		if n := tries.Load(); n < 6 || n > 60 {
			t.Errorf("%d tries in 30 minutes; want a polite number", n)
		}
		if n := strings.Count(b.w.out.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings; want 1:\n%s", n, b.w.out)
		}
		b.serve(t)
		arrives(t, done, 5*time.Minute+time.Second)

		// The second time there is nothing to do, and no gateway is needed.
		b.lis.Store(nil)
		arrives(t, ensure(t, t.Context(), b), time.Second)
	})
}

func TestEnsureEnrolledTokenFileLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		b.serve(t)
		done := ensure(t, t.Context(), b)
		waits(t, done, 24*time.Hour)
		if n := strings.Count(b.w.out.String(), "waiting for the token file"); n != 1 {
			t.Errorf("%d lines about the missing file in a day; want 1", n)
		}
		token, _ := accesstest.NewToken(t, b.w.ca, b.w.reg, 1)
		writeToken(t, b.w.req.TokenFile, token)
		arrives(t, done, time.Minute)
	})
}

func TestEnsureEnrolledRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		b.serve(t)
		writeToken(t, b.w.req.TokenFile, b.w.token)
		if err := b.w.reg.RevokeToken(t.Context(), b.w.rec.ID); err != nil {
			t.Fatal(err)
		}
		var tries atomic.Int64
		dial := b.w.req.Dial
		b.w.req.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			tries.Add(1)
			return dial(ctx, addr)
		}
		done := ensure(t, t.Context(), b)
		waits(t, done, 14*time.Minute)
		if n := tries.Load(); n != 1 {
			t.Errorf("%d tries in 14 minutes with a refused token; want 1", n)
		}
		waits(t, done, 24*time.Hour)
		if n := tries.Load(); n < 4 || n > 20 {
			t.Errorf("%d tries in a day with a refused token; want a few", n)
		}
		if n := strings.Count(b.w.out.String(), "token revoked (hint:"); n != 1 {
			t.Errorf("%d lines with reason and hint; want 1:\n%s", n, b.w.out)
		}
		token, _ := accesstest.NewToken(t, b.w.ca, b.w.reg, 1)
		writeToken(t, b.w.req.TokenFile, token)
		arrives(t, done, time.Minute)
	})
}

func TestEnsureEnrolledEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := ensure(t, ctx, b)
		waits(t, done, time.Hour)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("EnsureEnrolled() = %v; want context.Canceled", err)
		}
	})
}

func TestEnsureEnrolledWithoutToken(t *testing.T) {
	w := newWorld(t)
	w.req.TokenFile = ""
	if _, err := identity.EnsureEnrolled(t.Context(), w.req, w.log); !errors.Is(err, identity.ErrNotEnrolled) {
		t.Errorf("EnsureEnrolled() = %v; want ErrNotEnrolled", err)
	}
}
