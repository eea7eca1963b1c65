package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDecided: what a layer decided is told with its place, defaults are left out,
// and free text is told as set.
func TestDecided(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"agent.yaml":       "device: {asset_id: DISTINCTIVE}\nprivacy: {username: cleartext}\n",
		"conf.d/10.yaml":   "privacy: {tighten: {username: drop}}\n",
		"policy.d/10.yaml": "summary: {flush: 1m}\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := LoadAgent(AgentPathsFor(filepath.Join(dir, "agent.yaml")))
	got := map[string]Decided{}
	for _, d := range l.Decided() {
		d.Source = strings.TrimPrefix(slashed(d.Source), filepath.ToSlash(dir)+"/")
		got[d.Key] = d
	}
	for _, want := range []Decided{
		{"device.asset_id", "(set)", "file", "agent.yaml:1", ""},
		{"privacy.username", "drop", "conf_d", "conf.d/10.yaml:1", "tighten"},
		{"privacy.tighten", "(set)", "conf_d", "conf.d/10.yaml:1", ""},
		{"summary.flush", "1m", "managed", "policy.d/10.yaml:1", ""},
	} {
		if got[want.Key] != want {
			t.Errorf("Decided()[%s] = %+v; want %+v", want.Key, got[want.Key], want)
		}
	}
	if len(got) != 4 {
		t.Errorf("Decided() = %v; want four settings", got)
	}
}
