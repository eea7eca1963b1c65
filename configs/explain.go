package configs

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/discreet-agent/discreet/privacy"
)

// Explanation says what one key is and where its value comes from.
type Explanation struct {
	Key      string   `json:"key"`
	Value    string   `json:"value"` // as a file spells it
	Layer    string   `json:"layer"`
	Source   string   `json:"source"` // file:line; "" where it is built in
	Default  string   `json:"default"`
	BoundBy  string   `json:"bound_by"`
	Meaning  string   `json:"meaning"`
	Allowed  []string `json:"allowed,omitempty"`
	Outvoted []Named  `json:"outvoted,omitempty"` // highest first
	Refused  []string `json:"refused,omitempty"`  // faults at this key
	Note     string   `json:"note,omitempty"`
}

// Named is a value that a layer names and that does not hold.
type Named struct {
	Value  string `json:"value"`
	Layer  string `json:"layer"`
	Source string `json:"source"`
}

// Keys returns every key that Explain knows, in the order of the sample file.
func (l *Loaded) Keys() []string { return slices.Clone(l.index.order) }

// index finds the rows of a table by their dotted paths. The two maps of
// constraints are one row each.
type index struct {
	order []string
	rows  map[string]*key
}

func newIndex(table []key) *index {
	ix := &index{rows: map[string]*key{}}
	ix.add("", table)
	return ix
}

func (ix *index) add(prefix string, keys []key) {
	for i := range keys {
		k := &keys[i]
		path := join(prefix, k.name)
		if k.kind == kindSection && k.bag == mainBag {
			ix.add(path, k.keys)
			continue
		}
		ix.order = append(ix.order, path)
		ix.rows[path] = k
	}
}

// Explain explains a key by its dotted path; a privacy key may be given without
// the section. It fails where there is no such key.
func (l *Loaded) Explain(name string) (Explanation, error) {
	if _, ok := privacy.ParseKey(name); ok {
		name = "privacy." + name
	}
	row := l.index.rows[name]
	if row == nil {
		return Explanation{}, l.unknown(name)
	}
	e := Explanation{Key: name, Meaning: row.doc, Allowed: row.enum, Default: row.def, Layer: layerDefaults}
	switch row.kind {
	case kindLevel:
		l.explainLevel(&e, row.level)
	case kindSection:
		e.Default = "{}"
		l.explainWhole(&e)
	default:
		l.explainValue(&e, row)
	}
	for _, f := range l.Faults {
		if f.Key == name || strings.HasPrefix(f.Key, name+"[") || row.kind == kindSection && strings.HasPrefix(f.Key, name+".") {
			e.Refused = append(e.Refused, f.String())
		}
	}
	return e, nil
}

func (l *Loaded) unknown(name string) error {
	keys := l.index.order
	for _, k := range keys {
		if strings.HasPrefix(k, name+".") {
			return fmt.Errorf("key %.80q is a section; hint: ask for one of its keys, such as %s", name, k)
		}
	}
	hint := didYouMean(name, keys)
	for _, k := range keys {
		if hint == "" && strings.HasSuffix(k, "."+name) {
			hint = "did you mean " + k + "?"
		}
	}
	if hint == "" {
		hint = `"config schema" lists every key`
	}
	return fmt.Errorf("key %.80q: unknown; hint: %s", name, hint)
}

func (l *Loaded) explainLevel(e *Explanation, k privacy.Key) {
	d := l.Decisions[k]
	e.Value, e.Layer, e.Source, e.BoundBy, e.Default = d.Level.String(), d.Layer, d.Source, d.BoundBy, d.Default.String()
	if l.OnlyHealth {
		e.Note = "nothing but health leaves: a file has a fault, and there is no last good form of it"
	}
	for _, o := range d.Outvoted {
		e.Outvoted = append(e.Outvoted, Named{o.Level.String(), o.Layer, o.Source})
	}
}

func (l *Loaded) explainValue(e *Explanation, row *key) {
	add := func(v any, la *layer, line int) {
		if e.Layer != layerDefaults {
			e.Outvoted = slices.Insert(e.Outvoted, 0, Named{e.Value, e.Layer, e.Source})
		}
		e.Value, e.Layer, e.Source = row.flow(v), la.name, la.source(line)
	}
	e.Default = row.flow(l.layers[0].bags[mainBag].entries[e.Key].value)
	for _, la := range l.layers {
		if v, ok := la.bags[mainBag].entries[e.Key]; ok {
			add(v.value, la, v.line)
		}
	}
	if v, ok := l.floored[e.Key]; ok {
		add(v.value, l.flooredBy[e.Key], v.line)
		e.BoundBy = "floor"
	}
	if at := l.Settings.Summary.Flush; e.Key == "summary.flush" && e.Value != row.flow(at) {
		e.Outvoted = slices.Insert(e.Outvoted, 0, Named{e.Value, e.Layer, e.Source})
		d := l.Decisions[privacy.SummaryInterval]
		e.Value, e.Layer, e.Source, e.BoundBy = row.flow(at), d.Layer, d.Source, "summary_interval"
	}
}

// PrivacySettings explains what stands under privacy beside the levels: lists,
// quiet hours, pauses, pseudonyms, the statement.
func (l *Loaded) PrivacySettings() []Explanation {
	var list []Explanation
	leaves("", l.table, func(path string, k *key) {
		if strings.HasPrefix(path, "privacy.") && k.kind != kindLevel && path != "privacy.preset" {
			e, _ := l.Explain(path) // it comes from the table
			list = append(list, e)
		}
	})
	return list
}

// explainWhole explains tighten, which holds from every layer, and the floor,
// which one layer sets and its signers may.
func (l *Loaded) explainWhole(e *Explanation) {
	levels := l.Floor
	if e.Key == "privacy.tighten" {
		levels = map[privacy.Key]privacy.Level{}
		for _, la := range l.layers {
			for k, p := range la.bags[tightenBag].levels {
				if have, ok := levels[k]; !ok || p.level < have {
					levels[k] = p.level
				}
				e.Layer, e.Source = la.name, la.source(p.line)
			}
		}
	} else {
		for _, f := range l.floors {
			e.Layer, e.Source = f.name, f.source(f.bags[floorBag].first())
		}
	}
	e.Value = l.flowMap(e.Key, levels)
}

// first returns the first line of what v names.
func (v values) first() int {
	line := math.MaxInt
	for _, p := range v.levels {
		line = min(line, p.line)
	}
	for _, e := range v.entries {
		line = min(line, e.line)
	}
	return line
}

// flowMap writes levels, and for the floor its other entries, on one line.
func (l *Loaded) flowMap(path string, levels map[privacy.Key]privacy.Level) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(levels)) {
		parts = append(parts, k.String()+": "+levels[k].String())
	}
	if path == "privacy_floor" {
		parts = append(parts, flowNested(path, joined(l.floors))...)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func flowNested(prefix string, entries map[string]entry) []string {
	var parts []string
	nested := map[string][]string{}
	for _, path := range slices.Sorted(maps.Keys(entries)) {
		e := entries[path]
		name := strings.TrimPrefix(path, prefix+".")
		if section, leaf, ok := strings.Cut(name, "."); ok {
			nested[section] = append(nested[section], leaf+": "+e.key.flow(e.value))
		} else {
			parts = append(parts, name+": "+e.key.flow(e.value))
		}
	}
	for _, section := range slices.Sorted(maps.Keys(nested)) {
		parts = append(parts, section+": {"+strings.Join(nested[section], ", ")+"}")
	}
	return parts
}

// String returns the explanation as "config explain" prints it.
func (e Explanation) String() string {
	var b strings.Builder
	from := func(layer, source string) string {
		if source == "" {
			return layer
		}
		return layer + " " + source
	}
	fmt.Fprintf(&b, "%s = %s\n  from:     %s\n", e.Key, e.Value, from(e.Layer, e.Source))
	if e.BoundBy != "" {
		fmt.Fprintf(&b, "  bound by: %s\n", e.BoundBy)
	}
	fmt.Fprintf(&b, "  default:  %s\n  meaning:  %s\n", e.Default, e.Meaning)
	if len(e.Allowed) > 0 {
		fmt.Fprintf(&b, "  allowed:  %s\n", strings.Join(e.Allowed, ", "))
	}
	for _, o := range e.Outvoted {
		fmt.Fprintf(&b, "  outvoted: %s from %s\n", o.Value, from(o.Layer, o.Source))
	}
	for _, r := range e.Refused {
		fmt.Fprintf(&b, "  refused:  %s\n", r)
	}
	if e.Note != "" {
		fmt.Fprintf(&b, "  note:     %s\n", e.Note)
	}
	return b.String()
}

// ShowJSON returns the object that "privacy show --json" prints.
func (l *Loaded) ShowJSON() []byte {
	type shown struct {
		Level   string `json:"level"`
		Layer   string `json:"layer"`
		Source  string `json:"source"`
		Default string `json:"default"`
		BoundBy string `json:"bound_by"`
	}
	sum := l.Policy.Digest()
	out := struct {
		Preset string            `json:"preset"`
		Digest string            `json:"digest"`
		SetBy  string            `json:"set_by"`
		Keys   map[string]shown  `json:"keys"`
		Floor  map[string]string `json:"floor"`
		// What a signed floor will loosen. Not there: nothing.
		Pending []Pending `json:"pending,omitempty"`
		Signed  *Vouched  `json:"signed_floor,omitempty"`
	}{l.Settings.Privacy.Preset, hex.EncodeToString(sum[:]), l.Settings.Privacy.Statement.SetBy, map[string]shown{}, map[string]string{}, l.Pending, l.Signed}
	for _, d := range l.Decisions {
		out.Keys[d.Key.String()] = shown{d.Level.String(), d.Layer, d.Source, d.Default.String(), d.BoundBy}
	}
	for k, level := range l.Floor {
		out.Floor[k.String()] = level.String()
	}
	data, err := json.Marshal(out)
	must(err)
	return data
}
