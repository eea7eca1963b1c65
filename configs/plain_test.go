package configs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// canarySettings holds a word that must not be told in every place that takes a
// text.
const canarySettings = `schema: 1
gateway: {address: "zz-canary.example:8443", name: zz-canary, ca_file: /zz-canary/ca, token_file: /zz-canary/token, proxy: "http://zz-canary:1", proxy_credentials_file: /zz-canary/p}
device: {asset_id: zz-canary, tags: [zz-canary]}
privacy:
  preset: strict
  username: drop
  corporate_domains: [zz-canary.example]
  corporate_ssids: [zz-canary]
  corporate_networks: [{label: zz-canary, cidr: 10.0.0.0/8}]
  realm_aliases: [{from: zz-canary, to: zz-canary.example}]
  exclude_programs: [zz-canary]
  count_only_programs: [zz-canary]
  only_networks: [10.99.0.0/16]
  quiet: {hours: "19:00-07:00", weekends: true}
  pseudonym: {mode: tenant_key, tenant_key_file: /zz-canary/key, key_id: zzcanary, officer_key_file: /zz-canary/pub}
  statement: {set_by: zz-canary, purpose: zz-canary, legal_basis: zz-canary, contact: zz-canary, retention_days: 9}
privacy_floor: {username: hashed, exclude_programs: [zz-canary]}
summary: {flush: 90s}
log: {level: warn}
state_dir: /zz-canary/state
run_dir: /zz-canary/run
`

func plainOf(t *testing.T, text string) *Loaded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "zz-canary.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadAgent(AgentPathsFor(file))
}

// TestS23SettingsArePlain fills every text of the settings and finds none of it in
// what may be told, and the numbers, switches and words all there.
func TestS23SettingsArePlain(t *testing.T) {
	linuxPaths(t)
	l := plainOf(t, canarySettings)
	if len(l.Faults) > 0 {
		t.Fatalf("the settings of the test have faults: %v", l.Faults)
	}
	got := map[string]Plain{}
	told := 0
	for _, p := range l.Plain() {
		got[p.Key] = p
		if p.Value != plainSet && p.Value != plainNotSet {
			told++
		}
	}
	b, err := json.Marshal(l.Plain())
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"canary", "10.99", "19:00", "example"} {
		if strings.Contains(string(b), word) {
			t.Errorf("%q is told: %s", word, b)
		}
	}
	for key, want := range map[string]string{
		"privacy.username": "drop", "privacy.preset": "strict", "summary.flush": "1m30s", "log.level": "warn",
		"privacy.quiet.weekends": "true", "privacy.statement.retention_days": "9", "gateway.address": plainSet,
		"privacy.statement.set_by": plainSet, "privacy.quiet.hours": plainSet, "privacy_floor": plainSet,
		"privacy.tighten": plainNotSet, "trust.push.key_files": plainNotSet,
	} {
		if got[key].Value != want {
			t.Errorf("Plain(%s) = %q; want %q", key, got[key].Value, want)
		}
	}
	if p := got["log.level"]; p.Layer != layerFile || p.Line != 19 {
		t.Errorf("log.level comes from %s line %d; want %s line 19", p.Layer, p.Line, layerFile)
	}
	if len(got) != len(l.Keys()) || told < 40 {
		t.Errorf("%d keys, %d with their value; want all %d, at least 40", len(got), told, len(l.Keys()))
	}
}

// TestS23FaultsArePlain: a fault is told by its place, and by its key only where
// such a key exists.
func TestS23FaultsArePlain(t *testing.T) {
	l := plainOf(t, "schema: 1\nzz-canary: 1\nlog: {level: zz-canary}\nprivacy: {only_networks: [zz-canary]}\n")
	b, err := json.Marshal(l.PlainFaults())
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Faults) < 3 || strings.Contains(string(b), "canary") {
		t.Errorf("%d faults are told as %s; want 3 and no word of the file", len(l.Faults), b)
	}
	for _, want := range []string{`"key":"log.level"`, `"key":"(no such key)"`, `"key":"privacy.only_networks"`, `"line":2`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("PlainFaults = %s; want %s in it", b, want)
		}
	}
}

// TestTellableKinds: a kind that is new is not told until somebody decides so.
func TestTellableKinds(t *testing.T) {
	n := 0
	for kd := range numKinds {
		if kd.tellable() {
			n++
		}
	}
	if n != 6 || kindText.tellable() || kindPath.tellable() || (numKinds + 1).tellable() {
		t.Errorf("%d kinds are told; want 6, no text among them", n)
	}
}
