package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The keys of a Windows registry in which settings may stand. Both have the shape
// of a file: a section is a subkey, a setting is a value, names are those of the
// table.
const (
	hive        = `HKLM\`
	policyKey   = hive + `SOFTWARE\Policies\Discreet\Agent` // what a group policy sets
	settingsKey = hive + `SOFTWARE\Discreet\Agent`          // what was chosen at install
)

// regKey is a key of a registry as it was read.
type regKey struct {
	values []regValue // sorted by name
	keys   []regSub   // sorted by name
}

type regSub struct {
	name string
	regKey
}

// regValue is a value of a key. It has one of the types that settings may have,
// or other names the one that it has.
type regValue struct {
	name   string
	text   *string  // REG_SZ
	number *uint32  // REG_DWORD
	list   []string // REG_MULTI_SZ; not nil
	other  string
}

// inRegistry reports whether a place is a key of a registry and not a file.
func inRegistry(place string) bool { return strings.HasPrefix(place, hive) }

// keyOf returns the registry key of the section in which a setting stands, and
// the setting's name in it. Entries of a list belong to the list.
func keyOf(root, path string) (key, name string) {
	list, rest := path, ""
	if i := strings.IndexByte(path, '['); i >= 0 {
		list, rest = path[:i], path[i:]
	}
	i := strings.LastIndexByte(list, '.')
	if i < 0 {
		return root, path
	}
	return root + `\` + strings.ReplaceAll(list[:i], ".", `\`), list[i+1:] + rest
}

// readKey reads a key of the registry as if it were a file with these settings.
// A key that is not there is a file that is not there.
func readKey(layer, root string, disk files, table []key) source {
	s := source{layer: layer, file: root}
	k, err := disk.Key(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.fault = &Fault{File: root, Text: noSuchFile}
	case errors.Is(err, fs.ErrPermission):
		s.fault = &Fault{File: root, Text: "not readable by this user", Hint: "run as the agent's user or as an administrator"}
	case err != nil:
		s.fault = &Fault{File: root, Text: "cannot be read: " + err.Error()}
	default:
		w := regWriter{root: root}
		w.section("", 0, table, k)
		if w.body.Len() == 0 {
			w.body.WriteString("{}\n")
		}
		s.data, s.faults = []byte(w.body.String()), w.faults
	}
	return s
}

// regWriter writes a key of the registry as a file of settings, one setting a
// line. What has no type that a setting can have is a fault and a comment, so
// that the file differs once it is mended. All else that is wrong is left to the
// checks of files.
type regWriter struct {
	root   string
	body   strings.Builder
	faults []Fault
}

func (w *regWriter) line(depth int, format string, args ...any) {
	w.body.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(&w.body, format+"\n", args...)
}

// section writes the values and subkeys of a key that stands for a section; rows
// are nil where nobody knows it.
func (w *regWriter) section(path string, depth int, rows []key, k regKey) {
	for _, v := range k.values {
		name := nameOf(v.name)
		if name == "" {
			name = "(default)"
		}
		row := find(rows, name)
		if v.other != "" {
			w.faults = append(w.faults, Fault{File: w.root, Key: join(path, name), Text: "a " + v.other + ", want a REG_SZ, REG_DWORD or REG_MULTI_SZ"})
			w.line(depth, "# %s: %s", yamlQuote(name), v.other)
			continue
		}
		w.line(depth, "%s: %s", yamlQuote(name), v.flow(row))
	}
	for _, sub := range k.keys {
		name := nameOf(sub.name)
		row := find(rows, name)
		if row != nil && row.isList() {
			w.list(join(path, name), depth, row, sub)
			continue
		}
		if len(sub.values)+len(sub.keys) == 0 {
			if row == nil || row.kind != kindSection {
				w.line(depth, "%s: {}", yamlQuote(name))
			}
			continue // a policy that was taken away leaves its key
		}
		w.line(depth, "%s:", yamlQuote(name))
		at := w.body.Len()
		var below []key
		if row != nil {
			below = row.keys
		}
		w.section(join(path, name), depth+1, below, sub.regKey)
		if strings.TrimSpace(withoutComments(w.body.String()[at:])) == "" {
			w.line(depth+1, "{}")
		}
	}
}

// nameOf returns a name as the table would spell it: the registry does not tell
// cases apart. A longer one than YAML takes for a key is nobody's.
func nameOf(name string) string { return short(strings.ToLower(name)) }

func withoutComments(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// list writes a subkey whose values are the entries of a list, which is how an
// administrative template writes one. An empty one is left by a policy that was
// taken away.
func (w *regWriter) list(path string, depth int, row *key, sub regSub) {
	var entries []string
	for _, v := range sub.values {
		if v.text == nil {
			w.faults = append(w.faults, Fault{File: w.root, Key: path, Text: "an entry that is not a REG_SZ, want one"})
			w.line(depth, "# %s: an entry of another type", yamlQuote(sub.name))
			continue
		}
		entries = append(entries, row.entry(*v.text))
	}
	for range sub.keys {
		w.faults = append(w.faults, Fault{File: w.root, Key: path, Text: "a key in a list, want values only"})
		w.line(depth, "# %s: a key", yamlQuote(sub.name))
	}
	if len(entries) > 0 {
		w.line(depth, "%s: [%s]", yamlQuote(nameOf(sub.name)), strings.Join(entries, ", "))
	}
}

// isList reports whether a setting is a list.
func (k *key) isList() bool {
	_, list := k.kind.list()
	return list || k.kind == kindObjects
}

// flow writes a value for the row k, which is nil for a name that nobody knows.
func (v regValue) flow(k *key) string {
	switch {
	case v.number != nil && k != nil && k.kind == kindBool && *v.number < 2:
		return strconv.FormatBool(*v.number == 1)
	case v.number != nil:
		return strconv.FormatUint(uint64(*v.number), 10)
	case v.list != nil:
		var entries []string
		for _, s := range v.list {
			entries = append(entries, k.entry(s))
		}
		return "[" + strings.Join(entries, ", ") + "]"
	case k == nil:
		return yamlQuote(*v.text)
	}
	return k.spelled(*v.text)
}

// entry writes one entry of a list that was given as text; the entry of a list
// of maps is spelled like {label: hq, cidr: 10.20.0.0/16}.
func (k *key) entry(text string) string {
	if k != nil && k.kind == kindObjects {
		return flowOf(text, yaml.MappingNode)
	}
	return yamlQuote(text)
}

// spelled writes text that is spelled as in a file. A list of texts may be
// separated by commas, without brackets.
func (k *key) spelled(text string) string {
	switch {
	case k.kind == kindBool || k.kind == kindNumber:
		return flowOf(text, yaml.ScalarNode)
	case k.isList() && (k.kind == kindObjects || strings.HasPrefix(strings.TrimSpace(text), "[")):
		return flowOf(text, yaml.SequenceNode)
	case k.isList():
		var entries []string
		for s := range strings.SplitSeq(text, ",") {
			if s = strings.TrimSpace(s); s != "" {
				entries = append(entries, yamlQuote(s))
			}
		}
		return "[" + strings.Join(entries, ", ") + "]"
	}
	return yamlQuote(text)
}

// flowOf writes text that should be a YAML value of the kind anew, on one line;
// what is not one becomes a text, which the checks refuse.
func flowOf(text string, kind yaml.Kind) string {
	root, faults := parse("", []byte("value: "+text+"\n"))
	if root == nil || len(faults) > 0 || len(root.Content) != 2 || root.Content[1].Kind != kind {
		return yamlQuote(text)
	}
	return flowNode(root.Content[1])
}

// flowNode writes a node without anchors, aliases and tags on one line.
func flowNode(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		var parts []string
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, flowNode(n.Content[i])+": "+flowNode(n.Content[i+1]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yaml.SequenceNode:
		var parts []string
		for _, e := range n.Content {
			parts = append(parts, flowNode(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	switch n.ShortTag() {
	case "!!bool", "!!int", "!!float":
		return n.Value
	case "!!null":
		return "null"
	}
	return yamlQuote(n.Value)
}

// checkKey reads what readKey wrote, now or when it was last good, with each fault at its key of the registry.
func checkKey(s source, data []byte, table []key) *layer {
	l := check(s.layer, s.file, data, table)
	l.faults = sortFaults(append(l.faults, s.faults...))
	for i := range l.faults {
		f := &l.faults[i]
		f.File, _ = keyOf(s.file, f.Key)
		f.Line, f.Col = 0, 0
	}
	l.places = map[int]string{}
	if root, _ := parse(s.file, data); root != nil {
		places(l.places, s.file, root)
	}
	for i, w := range l.warnings {
		l.warnings[i].File, _ = keyOf(s.file, w.Key)
	}
	return l
}

// places notes for the line of each setting in n the key in which it stands.
func places(into map[int]string, at string, n *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		kn, vn := n.Content[i], n.Content[i+1]
		into[kn.Line] = at
		if vn.Kind == yaml.MappingNode && vn.Style&yaml.FlowStyle == 0 {
			places(into, at+`\`+kn.Value, vn)
		}
	}
}
