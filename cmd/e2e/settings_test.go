//go:build linux

package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestPolicyChangeTakesEffect switches a key of a running agent back and forth
// and looks at what the store got: no event may break the policy of its batch
// (the gateway refuses those), and each change must be in force within 3 s.
func TestPolicyChangeTakesEffect(t *testing.T) {
	l := newLab(t, "")
	base := l.AgentYAML() + "summary: {flush: 1s}\n"
	with := func(level string) string { return base + "privacy: {processes: each, program_path: " + level + "}\n" }
	if err := l.Write("agent.yaml", with("generalised")); err != nil {
		t.Fatal(err)
	}
	startGateway(t, l)
	ag := startAgent(t, l)
	connected(t, l)
	go load(t.Context(), 10*time.Millisecond)
	var slowest time.Duration
	for _, level := range []string{"drop", "generalised", "drop"} {
		before, err := agentStatus(t, l)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := l.Write("agent.yaml", with(level)); err != nil {
			t.Fatal(err)
		}
		until(t, l, 10*time.Second, "the new policy", func() bool {
			st, err := agentStatus(t, l)
			return err == nil && st.Policy.Digest != before.Policy.Digest
		})
		slowest = max(slowest, time.Since(began))
		time.Sleep(time.Second) // let some events be collected under it
	}
	after := time.Now()
	time.Sleep(time.Second)
	if err := ag.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	late := 0
	for _, s := range events(t, l) {
		var ev struct {
			Time  string `json:"time_unix_ms"`
			Start struct {
				Program struct{ Path string }
			} `json:"process_start"`
		}
		if err := json.Unmarshal(s.Event, &ev); err != nil {
			t.Fatal(err)
		}
		if ev.Start.Program.Path != "" && ev.Time > millis(after) {
			late++
		}
	}
	t.Logf("slowest change in force after %s", slowest.Round(10*time.Millisecond))
	if late > 0 {
		t.Errorf("%d events with a path after it was switched off; want 0", late)
	}
	if log := tail(l.Path("gateway.log")); strings.Contains(log, "FORBIDDEN") {
		t.Errorf("the gateway refused a batch: %s", log)
	}
}

func millis(t time.Time) string {
	b, _ := json.Marshal(t.UnixMilli())
	return string(b)
}

// TestBrokenSettings starts an agent whose only file is broken: nothing but
// health may leave. Mended while it runs, it collects; broken again, it keeps
// its last good form.
func TestBrokenSettings(t *testing.T) {
	l := newLab(t, "")
	good := l.AgentYAML() + "summary: {flush: 1s}\n"
	if err := l.Write("agent.yaml", good+"privacy: {usernmae: hashed}\n"); err != nil {
		t.Fatal(err)
	}
	startGateway(t, l)
	// The broken file also holds where the gateway and the state are: name them.
	startAgent(t, l, "--set", "gateway.address="+l.Address, "--set", "gateway.token_file="+l.Path("token"),
		"--set", "state_dir="+l.Path("agent"), "--set", "run_dir="+l.Path("run"))
	until(t, l, 20*time.Second, "events of health", func() bool { return gatewayTotals(t, l).Kinds["agent_health"] > 0 })
	for kind := range gatewayTotals(t, l).Kinds {
		if kind != "agent_health" && kind != "policy_applied" {
			t.Errorf("%s was stored under broken settings; want nothing but health", kind)
		}
	}
	if err := l.Write("agent.yaml", good); err != nil {
		t.Fatal(err)
	}
	until(t, l, 20*time.Second, "the mended settings", func() bool {
		st, err := agentStatus(t, l)
		return err == nil && !st.Policy.OnlyHealth && !st.Policy.Degraded
	})
	if err := l.Write("agent.yaml", good+"privacy: {username: true}\n"); err != nil {
		t.Fatal(err)
	}
	until(t, l, 20*time.Second, "the fault to be reported", func() bool {
		st, err := agentStatus(t, l)
		return err == nil && st.Policy.Degraded && !st.Policy.OnlyHealth && len(st.Policy.Faults) == 1
	})
}

// TestSixMistakes gives the settings six mistakes: all are named at once, each
// with its place.
func TestSixMistakes(t *testing.T) {
	l := newLab(t, "")
	if err := l.Write("agent.yaml", `schema: 1
gateway: {adress: "gw:1"}
privacy:
  usernmae: hashed
  Username: cleartext
  upn: true
  destinations: sometimes
spool: {flush: 30}
`); err != nil {
		t.Fatal(err)
	}
	out, err := l.Agent(t.Context(), "config", "validate")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("config validate: %v; want exit code 3", err)
	}
	for _, place := range []string{":2:11:", ":4:3:", ":5:3:", ":6:8:", ":7:17:", ":8:16:"} {
		if !strings.Contains(out, "agent.yaml"+place) {
			t.Errorf("config validate does not name agent.yaml%s\n%s", place, out)
		}
	}
}

// TestRevokedDevice revokes a device while it talks: it is refused with a
// reason, keeps what it has, and other devices are left alone.
func TestRevokedDevice(t *testing.T) {
	l := newLab(t, "")
	startGateway(t, l)
	startAgent(t, l)
	connected(t, l)
	var devices []struct {
		Device string `json:"device"`
	}
	if err := l.GatewayJSON(t.Context(), &devices, "device", "list"); err != nil || len(devices) != 1 {
		t.Fatalf("device list: %d devices, %v; want 1", len(devices), err)
	}
	if _, err := l.Gateway(t.Context(), "device", "revoke", devices[0].Device, "--yes"); err != nil {
		t.Fatal(err)
	}
	until(t, l, 90*time.Second, "the refusal", func() bool {
		st, err := agentStatus(t, l)
		return err == nil && !st.Gateway.Connected && strings.Contains(st.Gateway.Reason, "revoked")
	})
}

// TestNoClearNameAnywhere runs programs under an account of their own and looks
// for its name, and for the names of this machine's people, in every file that
// either program writes, logs at debug included.
func TestNoClearNameAnywhere(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes an account")
	}
	user := canary(t)
	l := newLab(t, "")
	if err := l.Write("agent.yaml", l.AgentYAML()+"log: {level: debug}\nsummary: {flush: 1s}\n"+privacyEach(l.Path("tenant.key"))); err != nil {
		t.Fatal(err)
	}
	startGateway(t, l)
	ag := startAgent(t, l)
	connected(t, l)
	user.run(t, 20)
	until(t, l, 30*time.Second, "the canary's programs", func() bool {
		out, err := l.Gateway(t.Context(), keyed(l, "subject", "find", "--user", user.name)...)
		return err == nil && strings.Contains(out, "person")
	})
	if err := ag.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	user.search(t, l)
}
