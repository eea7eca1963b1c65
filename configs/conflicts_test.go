package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestConflicts(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"none", map[string]string{"agent.yaml": "schema: 1\n"}, "[]"},
		{"a higher layer outvotes a lower one", map[string]string{
			"conf.d/1.yaml": "privacy: {username: cleartext}\n", "policy.d/1.yaml": "privacy: {username: hashed}\n"}, "[]"},
		{"the sample under a floor", map[string]string{
			"agent.yaml": "schema: 1\nprivacy: {username: cleartext}\n", "policy.d/1.yaml": "privacy_floor: {username: hashed}\n"}, "[]"},
		{"a preset under a floor", map[string]string{
			"policy.d/1.yaml": "privacy: {preset: classic}\nprivacy_floor: {username: hashed}\n"}, "[]"},
		{"a floor that holds nothing back", map[string]string{
			"policy.d/1.yaml": "privacy: {username: hashed}\n", "policy.d/2.yaml": "privacy_floor: {username: cleartext}\n"}, "[]"},
		{"a key of IT under a floor", map[string]string{
			"conf.d/1.yaml": "privacy: {username: cleartext}\n", "policy.d/1.yaml": "privacy_floor: {username: hashed}\n"},
			"[username cleartext of conf.d/1.yaml:1, hashed of policy.d/1.yaml:1, floor]"},
		{"tightened by the same file", map[string]string{
			"policy.d/1.yaml": "privacy: {upn: cleartext, tighten: {upn: drop}}\n"},
			"[upn cleartext of policy.d/1.yaml:1, drop of policy.d/1.yaml:1, tighten]"},
		{"two files of one layer", map[string]string{
			"policy.d/1.yaml": "privacy: {destinations: drop}\n", "policy.d/2.yaml": "privacy: {destinations: scope}\n"},
			"[destinations drop of policy.d/1.yaml:1, scope of policy.d/2.yaml:1, layer]"},
		{"two files of one layer agree", map[string]string{
			"policy.d/1.yaml": "privacy: {destinations: drop}\n", "policy.d/2.yaml": "privacy: {destinations: drop}\n"}, "[]"},
		{"two files of a layer that is outvoted", map[string]string{
			"conf.d/1.yaml": "privacy: {destinations: drop}\n", "conf.d/2.yaml": "privacy: {destinations: scope}\n", "policy.d/1.yaml": "privacy: {destinations: prefix}\n"}, "[]"},
	} {
		dir := t.TempDir()
		if c.files["agent.yaml"] == "" {
			c.files["agent.yaml"] = "schema: 1\n"
		}
		for name, text := range c.files {
			file := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		l := LoadAgent(AgentPathsFor(filepath.Join(dir, "agent.yaml")))
		if len(l.Faults) > 0 {
			t.Fatalf("%s: %v", c.name, l.Faults)
		}
		var got []string
		for _, x := range l.Conflicts() {
			got = append(got, fmt.Sprintf("%s %s of %s, %s of %s, %s", x.Key, x.Asked.Value, under(t, dir, x.Asked.Source), x.Held.Value, under(t, dir, x.Held.Source), x.By))
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: Conflicts() = %v; want %s", c.name, got, c.want)
		}
	}
}

func under(t *testing.T, dir, source string) string {
	t.Helper()
	rel, err := filepath.Rel(dir, source)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.ToSlash(rel)
}
