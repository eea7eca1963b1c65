package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

func TestS40PauseStopsCollectors(t *testing.T) {
	dir := open(t)
	w := newWorld(t, dir, lively)
	ask := func(uid uint32, args map[string]string) string { return w.as(t, uid, "pause", args) }
	contains(t, "pause 31m", ask(alice, map[string]string{"for": "31m"}), []string{"refused: forbidden"}, nil)
	if !w.runs(&w.move) {
		t.Error("a refused pause stopped a collector")
	}
	contains(t, "pause 10m", ask(alice, map[string]string{"for": "10m"}), []string{`"until"`, `"left_today":1`}, nil)
	if w.runs(&w.move) || !w.runs(&w.work) {
		t.Errorf("after pause logon runs = %v, process runs = %v; want false, true", w.runs(&w.move), w.runs(&w.work))
	}
	if states := fmt.Sprint(w.agent.states()); !strings.Contains(states, "paused") {
		t.Errorf("states = %s; want paused", states)
	}
	contains(t, "resume by another", ask(bob, map[string]string{"resume": "yes"}), []string{"refused: permission"}, nil)
	data, err := os.ReadFile(filepath.Join(dir, "state", "pause.json"))
	if err != nil || strings.Contains(string(data), "48333") {
		t.Errorf("pause.json = %s, %v; want it without who asked", data, err)
	}
	w.stop()

	w = runWorld(t, dir, lively, true)
	if w.runs(&w.move) {
		t.Error("a restart ended the pause; want it to hold")
	}
	contains(t, "resume by root", ask(0, map[string]string{"resume": "yes"}), nil, []string{`"until"`, "refused"})
	for !w.runs(&w.move) {
		time.Sleep(time.Millisecond)
	}
	contains(t, "second pause", ask(bob, map[string]string{"for": "1m"}), []string{`"left_today":0`}, nil)
	contains(t, "third pause", ask(bob, map[string]string{"for": "1m"}), []string{"refused: forbidden"}, nil)
}

func TestPauseForbidden(t *testing.T) {
	w := newWorld(t, open(t), "schema: 1\n")
	contains(t, "pause", w.as(t, alice, "pause", map[string]string{"for": "1m"}), []string{"refused: forbidden"}, nil)
	if !w.runs(&w.move) {
		t.Error("a forbidden pause stopped a collector")
	}
}

func TestPolicyEndsPause(t *testing.T) {
	dir := open(t)
	w := newWorld(t, dir, lively)
	contains(t, "pause", w.as(t, alice, "pause", map[string]string{"for": "10m"}), []string{`"until"`}, nil)
	text := fmt.Sprintf("schema: 1\nprivacy: {processes: each}\nstate_dir: %s/state\nrun_dir: %s/run\n", dir, dir)
	if err := os.WriteFile(filepath.Join(dir, "agent.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for !w.runs(&w.move) { // the test's own time limit ends this
		time.Sleep(time.Millisecond)
	}
	if st := w.agent.pauseState(); st.Allowed || st.Until != nil {
		t.Errorf("pause under a policy that allows none = %+v; want none", st)
	}
}

func TestPauseEndsByItself(t *testing.T) {
	w := newWorld(t, open(t), lively)
	contains(t, "pause", w.as(t, alice, "pause", map[string]string{"for": "1s"}), []string{`"allowed"`}, nil)
	for !w.runs(&w.move) { // the test's own time limit ends this
		time.Sleep(time.Millisecond)
	}
}

func TestPausePlans(t *testing.T) {
	drop := privacyv1.Class_DOMAINS
	for _, c := range []struct {
		name    string
		classes []privacyv1.Class
		state   string
		keeps   bool // domains
	}{
		{"behaviour alone", []privacyv1.Class{drop, privacyv1.Class_LOGONS}, "paused", false},
		{"both", []privacyv1.Class{privacyv1.Class_CONNECTIONS, drop}, "", false},
		{"none of it", []privacyv1.Class{privacyv1.Class_CONNECTIONS}, "", true},
		{"no class", nil, "", true},
	} {
		p := plan{}
		p.keeps[drop] = true
		p.pause(collectors.Spec{Classes: c.classes}, "why")
		if p.state != c.state || p.keeps[drop] != c.keeps {
			t.Errorf("%s: state %q, keeps domains %v; want %q, %v", c.name, p.state, p.keeps[drop], c.state, c.keeps)
		}
	}
}

// TestPauseClockSetBack: a clock that was set back makes no pause longer.
func TestPauseClockSetBack(t *testing.T) {
	w := newWorld(t, open(t), lively)
	now := time.Now()
	w.agent.pauses.mu.Lock()
	w.agent.pauses.state = pauseState{Until: now.Add(72 * time.Hour)}
	w.agent.pauses.mu.Unlock()
	if until, on := w.agent.paused(now); !on || until.Sub(now) > 30*time.Minute {
		t.Errorf("paused until %v from now, %v; want at most 30 minutes", until.Sub(now), on)
	}
}
