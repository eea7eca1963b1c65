package fleet

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/discreet-agent/discreet/configs"
)

// registry is what an editor of policies writes below our key: by subkey and value
// name a string, a number (uint32), or, for a list, the texts below a subkey of its
// own.
type registry map[string]any

// settings reads a registry back the way that docs/deploy says: into the maps that a
// file would hold.
func (r registry) settings(t *testing.T, known map[string]configs.Setting) map[string]any {
	t.Helper()
	top := map[string]any{}
	for path, v := range r {
		switch known[path].Form {
		case configs.FormSwitch:
			v = v.(uint32) == 1
		case configs.FormEntries:
			var list any
			if err := yaml.Unmarshal([]byte(v.(string)), &list); err != nil {
				t.Fatal(err)
			}
			v = list
		}
		put(top, strings.Split(path, "."), v)
	}
	return top
}

func put(m map[string]any, words []string, v any) {
	for _, w := range words[:len(words)-1] {
		next, ok := m[w].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[w] = next
		}
		m = next
	}
	m[words[len(words)-1]] = v
}

// load reads settings as a managed policy, and nothing else.
func load(t *testing.T, settings map[string]any) *configs.Loaded {
	t.Helper()
	data, err := json.Marshal(settings) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	return loadText(t, string(data))
}

func loadText(t *testing.T, text string) *configs.Loaded {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "10.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return configs.LoadAgent(configs.AgentPaths{PolicyDir: dir})
}

// text returns a text that a key of this kind takes.
func text(kind string) string {
	return map[string]string{
		"path": "/etc/discreet/x", "address": "gw.example:8443", "proxy": "http://proxy.example:3128", "domain": "corp.example.com",
		"label": "hq-1", "range": "10.20.0.0/16", "hours": "19:00-07:00", "size": "512MiB", "duration": "1h", "text": "corp",
	}[kind]
}

// writes returns every value that the editor can write for a policy, or, for free
// text and lists, values that a person would type.
func (p policy) writes(s configs.Setting) []any {
	var all []any
	if p.Enabled != nil {
		all = append(all, p.Enabled.Value, p.Disabled.Value)
	}
	for _, e := range p.Elements.All {
		switch e.XMLName.Local {
		case "enum":
			for _, item := range e.Items {
				all = append(all, item.Text)
			}
		case "decimal":
			all = append(all, e.Min, e.Max)
		case "list":
			all = append(all, []string{text(s.Kind)}, []string{text(s.Kind), text(s.Kind)}[:1])
		case "text":
			if s.Form == configs.FormEntries {
				all = append(all, s.Doc[strings.IndexByte(s.Doc, '['):])
				continue
			}
			all = append(all, text(s.Kind))
			if d, ok := s.Default.(string); ok && !strings.Contains(d, `\`) {
				all = append(all, d)
			}
		}
	}
	return all
}

// TestPolicyValuesAreTaken lays each value that a policy can write into a registry
// and hands it to the checks that files go through.
func TestPolicyValuesAreTaken(t *testing.T) {
	known := keys(configs.WindowsPlaces(`C:\ProgramData`))
	n := 0
	for _, p := range readTemplate(t).Policies {
		s := known[p.path()]
		values := p.writes(s)
		if len(values) == 0 {
			t.Errorf("policy %s writes nothing", p.Name)
		}
		for _, v := range values {
			n++
			l := load(t, registry{p.path(): v}.settings(t, known))
			for _, f := range l.Faults {
				t.Errorf("%s = %v: %s", p.Name, v, f)
			}
			if v == "" || strings.HasPrefix(s.Path, "privacy.tighten.") || strings.HasPrefix(s.Path, "privacy_floor.") {
				continue
			}
			if e, err := l.Explain(s.Path); err != nil || e.Layer != "managed" && e.BoundBy == "" {
				t.Errorf("%s = %v: decided by %s, %v; want managed", p.Name, v, e.Layer, err)
			}
		}
	}
	t.Logf("%d values of policies", n)
	if n < 300 {
		t.Errorf("%d values; want every item of every policy", n)
	}
}

// TestWrongValuesAreRefused: the checks that the values above pass are not deaf.
func TestWrongValuesAreRefused(t *testing.T) {
	known := keys(configs.WindowsPlaces(`C:\ProgramData`))
	for name, r := range map[string]registry{
		"unknown level":        {"privacy.username": "clear"},
		"level as number":      {"privacy.username": uint32(1)},
		"number as text":       {"privacy.statement.retention_days": "30"},
		"beyond the bound":     {"privacy.statement.retention_days": uint32(0)},
		"unknown key":          {"privacy.user_name": "hashed"},
		"duration as number":   {"summary.flush": uint32(5)},
		"list of wrong ranges": {"privacy.only_networks": []string{"10.0.0.1/8"}},
		"whose signatures":     {"trust.push.threshold": uint32(1)},
	} {
		if l := load(t, r.settings(t, known)); len(l.Faults) != 1 {
			t.Errorf("%s: faults %v; want one", name, l.Faults)
		}
	}
}

// TestAllKeysAtOnce sets every key at its first value in one policy.
func TestAllKeysAtOnce(t *testing.T) {
	known := keys(configs.WindowsPlaces(`C:\ProgramData`))
	r := registry{}
	for _, p := range readTemplate(t).Policies {
		r[p.path()] = p.writes(known[p.path()])[0]
	}
	for _, f := range load(t, r.settings(t, known)).Faults {
		t.Error(f)
	}
}

// TestSamplePolicy: the sample is valid as it lies there, and with every key of it
// that is a comment taken in.
func TestSamplePolicy(t *testing.T) {
	text := string(generatedFiles(t)["linux/policy.d.sample.yaml"])
	l := loadText(t, text)
	if len(l.Faults) > 0 || l.Settings.Gateway.Address != "gw.example:8443" {
		t.Errorf("sample: faults %v, gateway %q; want none, and its own", l.Faults, l.Settings.Gateway.Address)
	}
	if got, want := l.Policy.Digest(), configs.LoadAgent(configs.AgentPaths{}).Policy.Digest(); got != want {
		t.Errorf("the sample's policy is another than the default; want the same")
	}
	head, body, _ := strings.Cut(text, "schema: 1\n")
	var all strings.Builder
	for line := range strings.Lines(body) {
		all.WriteString(strings.TrimPrefix(line, "# "))
	}
	l = loadText(t, head+"schema: 1\n"+all.String())
	for _, f := range l.Faults {
		t.Errorf("sample with every key: %s", f)
	}
	for path := range keys(configs.LinuxPlaces()) {
		if strings.HasPrefix(path, "privacy.tighten.") || strings.HasPrefix(path, "privacy_floor.") {
			continue
		}
		if e, err := l.Explain(path); err != nil || e.Layer != "managed" {
			t.Errorf("sample with every key: %s comes from %s, %v; want managed", path, e.Layer, err)
		}
	}
	if want := len(l.Decisions); len(l.Floor) != want {
		t.Errorf("sample with every key: a floor of %d levels; want %d", len(l.Floor), want)
	}
}
