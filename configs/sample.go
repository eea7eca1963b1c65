package configs

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/discreet-agent/discreet/privacy"
)

const agentHead = `# The settings of discreet-agent: every key, its default, one line each.
# A key that is left out keeps its default. Files in conf.d beside this one, then
# those in policy.d, go over it. Check with: discreet-agent config validate
# Durations take s, m, h, d; sizes KiB, MiB, GiB.
`

const gatewayHead = `# The settings of discreet-gateway: every key, its default, one line each.
# A key that is left out keeps its default.
# Durations take s, m, h, d; sizes KiB, MiB, GiB.
`

// AgentYAML returns the sample agent.yaml for a system with these places. Its
// levels are comments: the preset gives them, and a level that stood there would
// win over a preset that is changed later.
func AgentYAML(p Places) []byte { return sample(agentKeys(p), agentHead) }

// GatewayYAML returns the sample gateway.yaml for a system with these places.
func GatewayYAML(p Places) []byte { return sample(gatewayKeys(p), gatewayHead) }

// PresetYAML returns the file of a preset, with every level written out. It can
// be laid into conf.d or policy.d as it is.
func PresetYAML(name string) ([]byte, error) {
	pol, ok := privacy.Preset(name)
	if !ok {
		return nil, fmt.Errorf("preset %.40q: unknown; hint: one of %s", name, strings.Join(presetNames(), ", "))
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The preset %s with every level written out, strictest level first in each list.\n", name)
	fmt.Fprintf(&b, "schema: %d\nprivacy:\n  preset: %s\n", SchemaVersion, name)
	for _, k := range levelKeys() {
		fmt.Fprintf(&b, "  %s: %s  # %s: %s\n", k.name, pol.Level(k.level), strings.Join(k.enum, ", "), k.doc)
	}
	return b.Bytes(), nil
}

// sample writes the table as a file.
func sample(keys []key, head string) []byte {
	w := sampleWriter{value: func(_ string, k *key) (string, string) { return k.def, k.remark() }}
	w.b.WriteString(head)
	w.keys("", keys, 0)
	return w.b.Bytes()
}

// remark returns the comment beside a key in a sample.
func (k *key) remark() string {
	s := k.doc
	if k.kind == kindEnum {
		s = strings.Join(k.enum, ", ") + ": " + s
	}
	if k.example != "" && k.def == `""` {
		s += "; e.g. " + k.example
	}
	return s
}

// sampleWriter writes keys as YAML, with the value and the remark that value
// gives for each.
type sampleWriter struct {
	b      bytes.Buffer
	value  func(path string, k *key) (text, remark string)
	levels bool // levels are values, not comments
	maps   func(path string) (text string, ok bool)
}

func (w *sampleWriter) keys(prefix string, keys []key, depth int) {
	indent := strings.Repeat("  ", depth)
	for i := range keys {
		k := &keys[i]
		path := join(prefix, k.name)
		if depth == 0 && k.kind == kindSection {
			w.b.WriteByte('\n')
		}
		switch {
		case k.kind == kindSection && k.bag != mainBag:
			text := "{}"
			if w.maps != nil {
				text, _ = w.maps(path)
			}
			fmt.Fprintf(&w.b, "%s%s: %s  # %s\n", indent, k.name, text, k.doc)
		case k.kind == kindSection:
			w.section(indent, path, k, depth)
		case k.kind == kindLevel && !w.levels:
			fmt.Fprintf(&w.b, "%s# %s: %s  # %s: %s\n", indent, k.name, k.def, strings.Join(k.enum, ", "), k.doc)
		default:
			text, remark := w.value(path, k)
			fmt.Fprintf(&w.b, "%s%s: %s", indent, k.name, text)
			if remark != "" {
				w.b.WriteString("  # " + oneLine(remark))
			}
			w.b.WriteByte('\n')
		}
	}
}

func (w *sampleWriter) section(indent, path string, k *key, depth int) {
	fmt.Fprintf(&w.b, "%s%s:", indent, k.name)
	if k.doc != "" {
		w.b.WriteString("  # " + k.doc)
	}
	w.b.WriteByte('\n')
	w.keys(path, k.keys, depth+1)
}

// oneLine keeps a remark, which may name a file, from ending its comment early.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}

// Samples returns every shipped file by its path in this folder, made anew from
// the table.
func Samples() (map[string][]byte, error) {
	files := map[string][]byte{
		"agent.yaml":   AgentYAML(LinuxPlaces()),
		"gateway.yaml": GatewayYAML(LinuxPlaces()),
	}
	for _, name := range presetNames() {
		data, err := PresetYAML(name)
		if err != nil {
			return nil, err
		}
		files["presets/"+name+".yaml"] = data
	}
	return files, nil
}
