package agent

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
)

// heldSink is a spool that hangs until held is closed.
type heldSink struct {
	sink
	held chan struct{}
}

func (s heldSink) Append(c privacy.Cleared) error {
	<-s.held
	return s.sink.Append(c)
}

// TestAliveOnlyWhileThePipelineMoves: the service manager hears of the agent with
// each account of itself, and nothing while the way to the spool is held up.
func TestAliveOnlyWhileThePipelineMoves(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(file, []byte("state_dir: "+dir+"/state\nrun_dir: "+dir+"/run\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		alive := 0
		a, err := New(Options{
			Paths: configs.AgentPathsFor(file), Log: slog.New(slog.DiscardHandler), Specs: []collectors.Spec{},
			Alive: func() { alive++ },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		a.refilter(a.loaded, nextEpoch(a.loaded, "", time.Now()))
		done := make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		go func() { defer close(done); a.work(ctx) }()
		time.Sleep(12 * time.Minute)
		synctest.Wait()
		if alive != 2 {
			t.Errorf("after 12 minutes Alive was called %d times; want 2", alive)
		}
		held := make(chan struct{})
		a.pipe.mu.Lock()
		a.pipe.out = heldSink{a.pipe.out, held}
		a.pipe.mu.Unlock()
		time.Sleep(time.Hour)
		if alive != 2 {
			t.Errorf("while the spool hangs Alive was called %d times; want none", alive-2)
		}
		close(held)
		stop()
		<-done
	})
}
