package configs

import (
	"fmt"
	"strings"

	"github.com/discreet-agent/discreet/privacy"
	"go.yaml.in/yaml/v3"
)

// entry is a value as a layer names it.
type entry struct {
	key   *key
	value any
	line  int
}

// placed is a level as a layer names it.
type placed struct {
	level     privacy.Level
	line, col int
}

// values is what one part of a layer names.
type values struct {
	levels  map[privacy.Key]placed
	entries map[string]entry // by dotted path
}

// layer is one file, read and checked.
type layer struct {
	name     string // defaults, file, conf_d, push, managed, flags, floor
	file     string
	bags     [numBags]values
	faults   []Fault
	warnings []Warning
	places   map[int]string // of what was a key of the registry: which subkey a line stands for
}

// source returns file:line, the key of a registry, the place alone where it has no
// lines, or "" for what is built in.
func (l *layer) source(line int) string {
	switch {
	case l.name == layerDefaults || l.name == layerFlags:
		return ""
	case l.places != nil:
		return l.places[line]
	}
	if line == 0 {
		return l.file
	}
	return fmt.Sprintf("%s:%d", l.file, line)
}

// checker walks the nodes of one file along the table.
type checker struct {
	*layer
	table []key
	newer bool // the file says a newer schema than ours
}

// check reads the bytes of a file against the table. The layer holds what is
// right in it even where there are faults; whether it is used is the loader's
// decision.
func check(name, file string, data []byte, table []key) *layer {
	l := newLayer(name, file)
	root, faults := parse(file, data)
	l.faults = faults
	if root != nil {
		c := &checker{layer: l, table: table}
		c.newer = c.schema(root) > SchemaVersion
		c.section("", mainBag, table, root)
		c.together()
	}
	l.faults = sortFaults(l.faults)
	return l
}

// newLayer returns a layer that names nothing.
func newLayer(name, file string) *layer {
	l := &layer{name: name, file: file}
	for b := range l.bags {
		l.bags[b] = values{map[privacy.Key]placed{}, map[string]entry{}}
	}
	return l
}

// schema returns the version that the file says. A wrong one is a fault later,
// when its turn comes.
func (c *checker) schema(root *yaml.Node) int64 {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "schema" {
			if v, p := find(c.table, "schema").number(root.Content[i+1]); p == nil {
				return v.(int64)
			}
		}
	}
	return SchemaVersion
}

func (c *checker) fault(n *yaml.Node, path, hint, format string, args ...any) {
	c.faults = append(c.faults, Fault{c.file, n.Line, n.Column, path, fmt.Sprintf(format, args...), hint})
}

// section checks the pairs of a map against keys. Every pair is looked at, so
// that all faults come at once.
func (c *checker) section(path string, into bag, keys []key, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		c.notMap(path, n)
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		kn, vn := n.Content[i], n.Content[i+1]
		if kn.Kind == yaml.AliasNode || kn.ShortTag() == "!!merge" {
			continue // parse has said so
		}
		k := c.known(path, keys, kn)
		if k == nil {
			continue
		}
		if first, again := seen[k.name]; again && first > 0 {
			c.fault(kn, join(path, k.name), "", "stands here again, after line %d; want it once", first)
		} else if again {
			c.fault(kn, join(path, k.name), "", "stands here again; want it once")
		}
		seen[k.name] = kn.Line
		c.value(join(path, k.name), into, k, vn)
	}
}

func (c *checker) notMap(path string, n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode:
	case n.ShortTag() == "!!null":
		c.fault(n, path, "write {} or leave the key out", "no value, want a map of keys")
	default:
		c.fault(n, path, "", "a %s, want a map of keys", nodeName(n))
	}
}

// known returns the row that a key node names, or reports why there is none.
func (c *checker) known(path string, keys []key, kn *yaml.Node) *key {
	name := kn.Value
	if kn.Kind != yaml.ScalarNode || kn.ShortTag() != "!!str" {
		c.fault(kn, path, "", "a key that is not text, want one of the known keys")
		return nil
	}
	if k := find(keys, name); k != nil {
		return k
	}
	full := join(path, short(name))
	for i := range keys {
		if strings.EqualFold(keys[i].name, name) {
			c.fault(kn, full, "did you mean "+join(path, keys[i].name)+"?", "differs from the key %s only in case", keys[i].name)
			return nil
		}
	}
	if c.newer {
		c.warnings = append(c.warnings, Warning{c.source(kn.Line), full, "a key of a newer version, skipped", ""})
		return nil
	}
	c.fault(kn, full, c.suggest(path, keys, name), "unknown key")
	return nil
}

// suggest looks for the key among its siblings, then everywhere.
func (c *checker) suggest(path string, keys []key, name string) string {
	var near []string
	for i := range keys {
		near = append(near, keys[i].name)
	}
	if best := nearest(name, near); best != "" {
		return "did you mean " + join(path, best) + "?"
	}
	hint := ""
	leaves("", c.table, func(p string, k *key) {
		if k.name == name && hint == "" {
			hint = "did you mean " + p + "?"
		}
		if p == name && path == "" {
			hint = "write " + k.name + " below " + strings.TrimSuffix(p, "."+k.name)
		}
	})
	if hint == "" {
		return "the sample files and \"config schema\" list every key"
	}
	return hint
}

// value checks one value and puts it into the layer.
func (c *checker) value(path string, into bag, k *key, n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		return
	}
	switch k.kind {
	case kindSection:
		if k.bag != mainBag {
			into = k.bag
		}
		c.section(path, into, k.keys, n)
	case kindLevel:
		c.levelOf(path, into, k, n)
	default:
		if v, ok := c.typed(path, k, n); ok {
			c.bags[into].entries[path] = entry{k, v, n.Line}
		}
	}
}

// levelOf reads a level. The word off and YAML's false are drop: YAML 1.1 tools
// rewrite the one as the other.
func (c *checker) levelOf(path string, into bag, k *key, n *yaml.Node) {
	tag, word := n.ShortTag(), n.Value
	isFalse := tag == "!!bool" && strings.EqualFold(word, "false")
	if isFalse || tag == "!!str" && word == "off" {
		tag, word = "!!str", privacy.Drop.String()
	}
	level, known := privacy.ParseLevel(word)
	switch {
	case n.Kind != yaml.ScalarNode:
		c.fault(n, path, "", "a %s, want %s", nodeName(n), k.want(kindLevel))
	case tag == "!!null":
		c.fault(n, path, "leave the key out for its preset's level", "no value, want %s", k.want(kindLevel))
	case tag != "!!str" || !known || !k.level.Allows(level):
		c.fault(n, path, didYouMean(n.Value, k.enum), "%s, want %s", k.show(n), k.want(kindLevel))
	default:
		levels := c.bags[into].levels
		// Said twice is a fault; until it is mended the stricter holds.
		if have, again := levels[k.level]; !again || level < have.level {
			levels[k.level] = placed{level, n.Line, n.Column}
		}
	}
}

// typed reads a value that is not a level.
func (c *checker) typed(path string, k *key, n *yaml.Node) (any, bool) {
	entryKind, isList := k.kind.list()
	if !isList && k.kind != kindObjects {
		v, p := k.scalar(k.kind, n)
		if p != nil {
			c.fault(n, path, p.hint, "%s", p.text)
		}
		return v, p == nil
	}
	if n.Kind != yaml.SequenceNode {
		hint := "write [] for none"
		if n.Kind == yaml.ScalarNode && n.Value != "" && !k.private {
			hint = "write [" + short(n.Value) + "]"
		}
		c.fault(n, path, hint, "not a list, want one")
		return nil, false
	}
	list, good := make([]any, 0, len(n.Content)), true
	row := *k
	row.required = true
	for i, en := range n.Content {
		if k.kind == kindObjects {
			v, ok := c.object(fmt.Sprintf("%s[%d]", path, i), k, en)
			list, good = append(list, v), good && ok
			continue
		}
		v, p := row.scalar(entryKind, en)
		if p != nil && en.Kind != yaml.AliasNode {
			c.fault(en, fmt.Sprintf("%s[%d]", path, i), p.hint, "%s", p.text)
		}
		list, good = append(list, v), good && p == nil
	}
	return list, good
}

// object reads one map of a list of maps.
func (c *checker) object(path string, k *key, n *yaml.Node) (any, bool) {
	if n.Kind != yaml.MappingNode {
		c.notMap(path, n)
		return nil, false
	}
	before := len(c.faults)
	m := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		kn, vn := n.Content[i], n.Content[i+1]
		row := c.known(path, k.keys, kn)
		if row == nil || vn.Kind == yaml.AliasNode {
			continue
		}
		if _, again := m[row.name]; again {
			c.fault(kn, join(path, row.name), "", "stands here again; want it once")
		}
		m[row.name], _ = c.typed(join(path, row.name), row, vn)
	}
	for i := range k.keys {
		if _, ok := m[k.keys[i].name]; !ok && len(c.faults) == before {
			c.fault(n, join(path, k.keys[i].name), "", "missing, want %s", k.keys[i].want(k.keys[i].kind))
		}
	}
	return m, len(c.faults) == before
}
