//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
)

// pushes is what "policy status --json" says.
type pushes struct {
	Pushed  int64          `json:"pushed"`
	Counts  map[string]int `json:"counts"`
	Devices []struct {
		Version int64  `json:"version"`
		Refused string `json:"refused"`
		State   string `json:"state"`
	} `json:"devices"`
}

func pushed(t *testing.T, l *lab.Lab) (p pushes) {
	t.Helper()
	if err := l.GatewayJSON(t.Context(), &p, "policy", "status"); err != nil {
		t.Fatal(err)
	}
	return p
}

// signPush writes a push of a version that is signed by who.
func signPush(t *testing.T, l *lab.Lab, version int, who, settings string) (file string) {
	t.Helper()
	name := fmt.Sprintf("push-%d-%s", version, who)
	text := fmt.Sprintf("version: %d\nnot_before: 2026-01-01T00:00:00Z\nexpires: 2096-01-01T00:00:00Z\nsettings: {privacy: {%s}}\n", version, settings)
	if err := l.Write(name+".yaml", text); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Gateway(t.Context(), "policy", "sign", "--kind", "push", "--key", l.Path("keys/"+who+".key"), "--out", l.Path(name+".json"), l.Path(name+".yaml")); err != nil {
		t.Fatal(err)
	}
	return l.Path(name + ".json")
}

// TestGatewayPushesPolicy: a signed policy reaches an agent that is connected and
// holds over its restart; one that its signers did not sign changes nothing, and the
// gateway's operator sees both.
func TestGatewayPushesPolicy(t *testing.T) {
	l := newLab(t, "")
	for _, who := range []string{"it", "stranger"} {
		if _, err := l.Gateway(t.Context(), "policy", "keygen", "--out", l.Path("keys"), "--name", who); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Write("agent.yaml", l.AgentYAML()+"privacy: {username: cleartext}\ntrust: {push: {key_files: ["+l.Path("keys/it.pub")+"]}}\n"); err != nil {
		t.Fatal(err)
	}
	startGateway(t, l)
	ag := startAgent(t, l)
	push := func(file, who string) {
		t.Helper()
		if _, err := l.Gateway(t.Context(), "policy", "push", "--key", l.Path("keys/"+who+".pub"), file); err != nil {
			t.Fatal(err)
		}
	}
	first := signPush(t, l, 3, "it", "username: drop")
	began := time.Now()
	push(first, "it")
	until(t, l, 30*time.Second, "the pushed policy", func() bool { return level(t, l, "username") == "drop push" })
	t.Logf("in force %.1f s after the command", time.Since(began).Seconds())
	until(t, l, 30*time.Second, "the agent's word of it", func() bool {
		p := pushed(t, l)
		return p.Pushed == 3 && p.Counts["current"] == 1 && p.Devices[0].Version == 3
	})

	if out, err := l.Gateway(t.Context(), "policy", "push", "--key", l.Path("keys/it.pub"), signPush(t, l, 2, "it", "username: cleartext")); err == nil || !strings.Contains(err.Error(), "versions only grow") {
		t.Errorf("policy push of an older version = %s, %v; want it refused", out, err)
	}
	if out, err := l.Gateway(t.Context(), "policy", "push", "--key", l.Path("keys/it.pub"), signPush(t, l, 8, "stranger", "username: cleartext")); err == nil || !strings.Contains(err.Error(), "not signed with") {
		t.Errorf("policy push of a stranger's = %s, %v; want it refused", out, err)
	}
	push(signPush(t, l, 9, "stranger", "username: cleartext"), "stranger")
	until(t, l, 30*time.Second, "the refusal", func() bool {
		p := pushed(t, l)
		return p.Pushed == 9 && p.Counts["refused"] == 1 && p.Devices[0].Refused == "signature" && p.Devices[0].Version == 3
	})
	if err := ag.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	startAgent(t, l)
	until(t, l, 30*time.Second, "the kept policy after a restart", func() bool { return level(t, l, "username") == "drop push" })
}

// level is what a running agent says of a key, and who decided it.
func level(t *testing.T, l *lab.Lab, key string) string {
	t.Helper()
	var shown struct {
		Keys map[string]struct{ Level, Layer string } `json:"keys"`
	}
	if err := l.AgentJSON(t.Context(), &shown, "privacy", "show"); err != nil {
		return ""
	}
	return shown.Keys[key].Level + " " + shown.Keys[key].Layer
}
