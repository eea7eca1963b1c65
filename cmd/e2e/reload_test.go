//go:build linux

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
)

// inForce is how long a change may take until it is in force.
const inForce = 3 * time.Second

// reload is a running agent whose settings change in every way in which files
// do. Its processes are reported each, or as summaries.
type reload struct {
	*lab.Lab
	file     string
	base     string
	digests  map[string]string // by level
	level    string            // in force
	slowest  time.Duration
	flipPath bool // switch program_path, not processes
}

func newReload(t *testing.T) *reload {
	t.Helper()
	l := newLab(t, "")
	r := &reload{Lab: l, file: l.Path("agent.yaml"), base: l.AgentYAML() + "summary: {flush: 1s}\n", digests: map[string]string{}, level: "summary"}
	r.plain(t, r.text("summary"))
	startGateway(t, l)
	return r
}

func (r *reload) text(level string) string {
	if r.flipPath {
		return r.base + "privacy: {processes: each, program_path: " + map[string]string{"each": "generalised", "summary": "drop"}[level] + "}\n"
	}
	return r.base + "privacy: {processes: " + level + "}\n"
}

// other is the level that is not in force.
func (r *reload) other() string {
	if r.level == "each" {
		return "summary"
	}
	return "each"
}

// plain writes over the file in place.
func (r *reload) plain(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// await waits until the agent says that level is in force, and not later than
// it may be.
func (r *reload) await(t *testing.T, level string) {
	t.Helper()
	before := r.digests[r.level]
	began := time.Now()
	until(t, r.Lab, inForce, "processes: "+level, func() bool {
		st, err := agentStatus(t, r.Lab)
		if err != nil || st.Policy.Digest == "" || st.Policy.Degraded {
			return false
		}
		if known, ok := r.digests[level]; ok {
			return st.Policy.Digest == known
		}
		if st.Policy.Digest == before {
			return false
		}
		r.digests[level] = st.Policy.Digest
		return true
	})
	r.slowest, r.level = max(r.slowest, time.Since(began)), level
}

// swap puts a link to a file with text in the place of the settings, in one
// step, as tools that deploy whole folders do.
func (r *reload) swap(t *testing.T, name, text string) {
	t.Helper()
	target := r.Path(filepath.Join(name, "agent.yaml"))
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	link := r.Path("link")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link, r.file); err != nil {
		t.Fatal(err)
	}
}

// drop writes a file into a folder beside the settings, or takes it out again.
func (r *reload) drop(t *testing.T, name, text string) {
	t.Helper()
	path := r.Path(name)
	if text == "" {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReload changes the settings of a running agent in every way in which
// files change; each is in force within 3 s and shown by status.
func TestReload(t *testing.T) {
	r := newReload(t)
	startAgent(t, r.Lab)
	connected(t, r.Lab)
	r.await(t, "summary")
	for _, step := range []struct {
		name   string
		change func(t *testing.T, text string)
	}{
		{"plain write", r.plain},
		{"rename", func(t *testing.T, text string) {
			if err := r.Write("agent.yaml", text); err != nil {
				t.Fatal(err)
			}
		}},
		{"remove and make again", func(t *testing.T, text string) {
			if err := os.Remove(r.file); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond) // long enough to be seen as gone
			r.plain(t, text)
		}},
		{"first link", func(t *testing.T, text string) { r.swap(t, "one", text) }},
		{"another link", func(t *testing.T, text string) { r.swap(t, "two", text) }},
		{"write through a link", r.plain},
		{"1,000 rapid writes", func(t *testing.T, text string) {
			for i := range 1000 {
				r.plain(t, r.text([]string{"each", "summary"}[i%2]))
			}
			r.plain(t, text)
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			level := r.other()
			step.change(t, r.text(level))
			r.await(t, level)
		})
	}
	t.Run("broken file", r.broken)
	t.Run("folders", r.folders)
	t.Logf("slowest change in force after %s", r.slowest.Round(10*time.Millisecond))
}

// broken: a file with a fault is reported and changes nothing; mended, it holds.
func (r *reload) broken(t *testing.T) {
	r.plain(t, r.text("each")+"privacy: [\n")
	until(t, r.Lab, inForce, "the fault to be shown", func() bool {
		st, err := agentStatus(t, r.Lab)
		return err == nil && st.Policy.Degraded && len(st.Policy.Faults) > 0 && st.Policy.Digest == r.digests[r.level]
	})
	level := r.other()
	r.plain(t, r.text(level))
	r.await(t, level)
}

// folders: what is dropped into conf.d goes over the file, what is dropped into
// policy.d over both.
func (r *reload) folders(t *testing.T) {
	r.plain(t, r.text("summary"))
	r.await(t, "summary")
	r.drop(t, "conf.d/50.yaml", "privacy: {processes: each}\n")
	r.await(t, "each")
	r.drop(t, "policy.d/10.yaml", "privacy: {processes: summary}\n")
	r.await(t, "summary")
	r.drop(t, "policy.d/10.yaml", "")
	r.await(t, "each")
	r.drop(t, "conf.d/50.yaml", "")
	r.await(t, "summary")
}

// TestS12PolicyFlips changes the policy 40 times under load: the gateway, which
// looks at each batch with the policy that it names, refuses none, and every
// event is stored once. It is the paths that come and go: what a stricter policy
// takes from the spool are then fields, and no event is lost.
func TestS12PolicyFlips(t *testing.T) {
	flips := 40
	if testing.Short() {
		flips = 10 // each takes a second to settle
	}
	r := newReload(t)
	r.flipPath = true
	r.plain(t, r.text("summary"))
	ag := startAgent(t, r.Lab)
	connected(t, r.Lab)
	r.await(t, "summary")
	ctx, stop := context.WithCancel(t.Context())
	loaded := make(chan struct{})
	go func() { defer close(loaded); load(ctx, 2*time.Millisecond) }()
	for range flips {
		level := r.other()
		r.plain(t, r.text(level))
		r.await(t, level)
	}
	stop()
	<-loaded
	if err := ag.Stop(30 * time.Second); err != nil {
		t.Fatal(err)
	}
	n := gatewayTotals(t, r.Lab)
	t.Logf("%d flips, slowest in force after %s; %d events stored: %v", flips, r.slowest.Round(10*time.Millisecond), n.Events, n.Kinds)
	if n.Lost != 0 || n.Duplicates != 0 || n.Kinds["process_start"] < int64(flips) {
		t.Errorf("lost %d, duplicates %d, of kinds %v; want none, none, and starts all the while", n.Lost, n.Duplicates, n.Kinds)
	}
	if got := n.Kinds["policy_applied"]; got < int64(flips) {
		t.Errorf("%d policies were applied; want at least %d", got, flips)
	}
	for _, name := range []string{"gateway.log", "agent.log"} {
		b, err := os.ReadFile(r.Path(name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if strings.Contains(line, "rejected") || strings.Contains(line, "refused") || strings.Contains(line, `"lost":`) && !strings.Contains(line, `"lost":0`) {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}
