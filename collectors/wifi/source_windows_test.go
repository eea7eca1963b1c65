package wifi

import (
	"context"
	"errors"
	"log/slog"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// TestRealService asks the WLAN service of this machine, and ends when it is told to.
func TestRealService(t *testing.T) {
	env := collectors.Env{
		Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{},
		Keeps: func(privacyv1.Class) bool { return true },
	}
	c, err := New(env)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	links := 0
	err = c.Run(ctx, func(*eventv1.Event) { links++ })
	if errors.Is(err, collectors.ErrUnsupported) {
		return // a Windows without the service says so
	}
	if err != nil || env.Stats.Rung() != eventv1.Rung_RUNG_NATIVE {
		t.Fatalf("Run = %v with %v; want nil with NATIVE", err, env.Stats.Rung())
	}
	if links == 0 && env.Stats.Note() != noAdapter && env.Stats.Note() != "" {
		t.Errorf("no link, note %q; want that there is no adapter, or none", env.Stats.Note())
	}
}

// TestWLANCallback calls the function that the service calls, as it would: what it has
// no room for is counted.
func TestWLANCallback(t *testing.T) {
	w := &wlan{news: make(chan wlanNews, 1), stats: &collectors.Stats{}}
	b := wlanNotice(8, 21)
	for range 3 {
		_, _, _ = syscall.SyscallN(onWLANNews(), uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(w)))
	}
	if n := <-w.news; n.what != wlanLeft || n.guid[0] != 7 || w.stats.Lost() != 2 {
		t.Errorf("told %+v, %d lost; want that a link is gone, 2", n, w.stats.Lost())
	}
}
