//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
)

// decided is a line of "policy.decided" in "status --json".
type decided struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Layer   string `json:"layer"`
	Source  string `json:"source"`
	BoundBy string `json:"bound_by"`
}

// whoDecided asks the agent which policy holds and who decided a key.
func whoDecided(t *testing.T, l *lab.Lab, key string) (digest string, d decided) {
	t.Helper()
	var st struct {
		Policy struct {
			Digest  string    `json:"digest"`
			Decided []decided `json:"decided"`
		} `json:"policy"`
	}
	if err := l.AgentJSON(t.Context(), &st, "status"); err != nil {
		return "", d
	}
	for _, d := range st.Policy.Decided {
		if d.Key == key {
			return st.Policy.Digest, d
		}
	}
	return st.Policy.Digest, d
}

// TestFleetFileTakesEffect drops files into conf.d and policy.d of a running agent, as
// a fleet tool does: within 3 s "status --json" shows the value, the digest, and the
// layer, file and line that decided.
func TestFleetFileTakesEffect(t *testing.T) {
	f, err := lab.NewFleet(t.Context(), t.TempDir(), filepath.Join("..", "..", "bin"), 1, "collectors: {process: {enabled: false}, connection: {enabled: false}, software: {enabled: false}}\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.StartAgents(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Stop(testGrace) })
	l := f.Agents[0]
	until(t, l, 30*time.Second, "the agent to answer", func() bool { digest, _ := whoDecided(t, l, ""); return digest != "" })
	for _, step := range []struct {
		name, file, text string
		want             decided
	}{
		{"a level in conf.d", "conf.d/50-quiet.yaml", "privacy: {user_activity: day}\n", decided{"privacy.user_activity", "day", "conf_d", "conf.d/50-quiet.yaml:1", ""}},
		{"policy.d goes over it", "policy.d/10-works-council.yaml", "# agreed\nprivacy:\n  user_activity: drop\n", decided{"privacy.user_activity", "drop", "managed", "policy.d/10-works-council.yaml:3", ""}},
		{"a setting that is no level", "policy.d/20-spool.yaml", "spool: {max_bytes: 512MiB}\n", decided{"spool.max_bytes", "512MiB", "managed", "policy.d/20-spool.yaml:1", ""}},
		{"free text is told as set", "conf.d/60-asset.yaml", "device: {asset_id: LT-4711}\n", decided{"device.asset_id", "(set)", "conf_d", "conf.d/60-asset.yaml:1", ""}},
		{"conf.d cannot go over policy.d", "conf.d/90-late.yaml", "privacy: {user_activity: full, tighten: {logons: drop}}\n", decided{"privacy.logons", "drop", "conf_d", "conf.d/90-late.yaml:1", "tighten"}},
		{"taken away again", "policy.d/10-works-council.yaml", "", decided{"privacy.user_activity", "full", "conf_d", "conf.d/90-late.yaml:1", ""}},
	} {
		before, _ := whoDecided(t, l, "")
		began := time.Now()
		if step.text == "" {
			if err := os.Remove(l.Path(step.file)); err != nil {
				t.Fatal(err)
			}
		} else if _, err := f.Drop(step.file, step.text); err != nil {
			t.Fatal(err)
		}
		step.want.Source = l.Path(step.want.Source)
		var last decided
		var digest string
		until(t, l, inForce, step.name, func() bool { digest, last = whoDecided(t, l, step.want.Key); return last == step.want })
		if level := strings.HasPrefix(step.want.Key, "privacy."); level == (digest == before) {
			t.Errorf("%s: digest %.8s after %.8s; want a new one just where a level changed", step.name, digest, before)
		}
		t.Logf("%s: shown after %s", step.name, time.Since(began).Round(10*time.Millisecond))
	}
}

// fleetSize is how many agents TestFleetFollows runs: DISCREET_FLEET, else 10.
func fleetSize(t *testing.T) int {
	text := os.Getenv("DISCREET_FLEET")
	if text == "" {
		return 10
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1000 {
		t.Fatalf("DISCREET_FLEET=%q; want 1 to 1000", text)
	}
	return n
}

// TestFleetFollows runs many agents with the product's default times against one
// gateway, drops one file on each, and waits until the gateway's records name the new
// policy for all. Their collectors are off: they would all see the same machine.
func TestFleetFollows(t *testing.T) {
	n := fleetSize(t)
	var off strings.Builder
	for _, c := range []string{"process", "connection", "focus", "activity", "wifi", "domain", "logon", "software"} {
		off.WriteString("  " + c + ": {enabled: false}\n")
	}
	f, err := lab.NewFleet(t.Context(), t.TempDir(), filepath.Join("..", "..", "bin"), n, "collectors:\n"+off.String())
	if err != nil {
		t.Fatal(err)
	}
	startGateway(t, f.Lab)
	began := time.Now()
	if err := f.StartAgents(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Stop(testGrace) })
	var old string
	fleetUntil(t, f, 3*time.Minute, "every agent to report its first policy", func(digests map[string]int) bool {
		for d, count := range digests {
			if d != "" && count == n {
				old = d
			}
		}
		return old != ""
	})
	t.Logf("%d agents enrolled and reporting %s after the first was started", n, time.Since(began).Round(time.Second))
	dropped, err := f.Drop("policy.d/10-works-council.yaml", "privacy: {user_activity: drop}\n")
	if err != nil {
		t.Fatal(err)
	}
	laid := time.Since(dropped)
	marks := map[int]time.Duration{}
	fleetUntil(t, f, time.Minute, "every agent to report the new policy", func(digests map[string]int) bool {
		followed := 0
		for d, count := range digests {
			if d != old {
				followed += count
			}
		}
		for _, mark := range []int{1, (n + 1) / 2, n} {
			if _, seen := marks[mark]; !seen && followed >= mark {
				marks[mark] = time.Since(dropped)
			}
		}
		return followed == n && len(digests) == 1
	})
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
	t.Logf("%d agents, one file dropped on each within %s: the first reported the new policy after %s, half of them after %s, all after %s",
		n, laid.Round(time.Millisecond), round(marks[1]), round(marks[(n+1)/2]), round(marks[n]))
	if running := f.Running(); running != n {
		t.Errorf("%d agents are running; want %d", running, n)
	}
}

// fleetUntil looks at the gateway's records until done; at the limit it says how
// many devices report what.
func fleetUntil(t *testing.T, f *lab.Fleet, limit time.Duration, what string, done func(map[string]int) bool) {
	t.Helper()
	var last map[string]int
	err := f.Until(t.Context(), limit, what, func() bool {
		digests, err := f.Digests(t.Context())
		if err != nil {
			return false
		}
		last = digests
		return done(digests)
	})
	if err != nil {
		text, _ := json.Marshal(last)
		t.Fatalf("%v; devices by digest: %s\nan agent: %s\ngateway: %s", err, text, tail(f.Agents[0].Path("agent.log")), tail(f.Path("gateway.log")))
	}
}
