package agent

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/configs"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

func TestMemory(t *testing.T) {
	m := memory{filepath.Join(t.TempDir(), "collectors", "x")}
	if data, err := m.Load(); data != nil || err != nil {
		t.Errorf("Load() before Save = %q, %v; want nothing", data, err)
	}
	if err := m.Save([]byte("what was told")); err != nil {
		t.Fatal(err)
	}
	if data, err := m.Load(); string(data) != "what was told" || err != nil {
		t.Errorf("Load() = %q, %v", data, err)
	}
	if err := m.Save(make([]byte, collectors.MaxMemory+1)); err == nil {
		t.Error("Save took more than MaxMemory")
	}
	for range 2 {
		if err := m.forget(); err != nil {
			t.Errorf("forget() = %v; want nil, also where nothing is", err)
		}
	}
	if data, _ := m.Load(); data != nil {
		t.Errorf("Load() after forget = %q; want nothing", data)
	}
}

// TestOffForgets: what a collector remembers goes when the policy turns it off,
// after it has stopped, and not with a pause or a restart.
func TestOffForgets(t *testing.T) {
	state := t.TempDir()
	spec := specOf(func(ctx context.Context, _ collectors.Emit) error { <-ctx.Done(); return nil })
	spec.Name, spec.Classes = "software", []privacyv1.Class{privacyv1.Class_SOFTWARE}
	spec.New = remembering(spec.New)
	file := writeSettings(t, "state_dir: "+state+"\n")
	a, err := New(Options{Paths: configs.AgentPaths{File: file}, Log: quiet(), Specs: []collectors.Spec{spec}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer a.sups[0].halt()
	path := filepath.Join(state, "collectors", "software")
	check := func(when string, want bool) {
		t.Helper()
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: remembers = %v; want %v", when, err == nil, want)
		}
	}
	a.apply(t.Context(), a.loaded)
	a.sups[0].halt()
	check("stopped", true)
	a.apply(t.Context(), loadSettings(t, "state_dir: "+state+"\n"))
	check("started again", true)
	a.apply(t.Context(), loadSettings(t, "state_dir: "+state+"\nprivacy: {software: drop}\n"))
	check("dropped", false)
}

// remembering wraps a collector: it keeps something when it stops.
func remembering(inner func(collectors.Env) (collectors.Collector, error)) func(collectors.Env) (collectors.Collector, error) {
	return func(env collectors.Env) (collectors.Collector, error) {
		c, err := inner(env)
		return keeper{c, env.Memory}, err
	}
}

type keeper struct {
	collectors.Collector
	memory collectors.Memory
}

func (k keeper) Run(ctx context.Context, emit collectors.Emit) error {
	err := k.Collector.Run(ctx, emit)
	if err == nil {
		err = k.memory.Save([]byte("told"))
	}
	return err
}
