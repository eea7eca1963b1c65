package configs

// Form is how a setting is written where there is no YAML: in a registry, in a
// property list, in a dialog of a fleet tool.
type Form uint8

// The forms. Text covers everything that a file writes as one word or line: paths,
// addresses, sizes, durations.
const (
	FormSection Form = iota
	FormChoice       // one of Choices
	FormSwitch       // true or false
	FormNumber       // a whole number, Min to Max
	FormText         // text of at most Max bytes
	FormList         // a list of texts
	FormEntries      // a list of maps, as YAML on one line
)

// Setting is one key of agent.yaml as fleet tools show it. Below tighten and the
// floor the keys of privacy stand again, each by itself.
type Setting struct {
	Path     string // joined by dots
	Form     Form
	Level    string   // the privacy key whose levels the choices are; "" for none
	Choices  []string // strictest first where they are levels
	Default  any      // string, int, bool or []any; nil for a level, which its preset gives
	Balanced string   // the level of the default preset
	Min, Max int64    // of a number; Max of a text; 0: no bound
	Empty    bool     // an empty text is taken, and means what its absence means
	Kind     string   // path, address, duration and the like: what a text is
	Want     string   // what a value looks like, in words
	Fields   []string // of one entry of FormEntries
	Doc      string
	Example  string
}

// AgentSettings returns every key that a managed policy may name, sections first,
// in the order of the sample, for a system with these places. Two are left out: the
// version of the settings, and whose signatures count, which a policy may not say.
func AgentSettings(p Places) []Setting {
	var all []Setting
	for _, k := range agentKeys(p) {
		if k.name != "schema" && k.name != "trust" {
			all = settings(all, "", []key{k})
		}
	}
	return all
}

func settings(all []Setting, prefix string, keys []key) []Setting {
	for i := range keys {
		k := &keys[i]
		s := k.setting(join(prefix, k.name))
		if all = append(all, s); s.Form == FormSection {
			all = settings(all, s.Path, k.keys)
		}
	}
	return all
}

// setting returns the row as a Setting.
func (k *key) setting(path string) Setting {
	s := Setting{Path: path, Form: FormText, Choices: k.enum, Max: k.max, Kind: k.kind.word(), Want: k.accepts(), Doc: k.doc, Example: k.example}
	entry, isList := k.kind.list()
	switch {
	case k.kind == kindSection:
		s.Form = FormSection
	case k.kind == kindLevel:
		s.Form, s.Level, s.Balanced = FormChoice, k.name, k.def
	case k.kind == kindEnum:
		s.Form = FormChoice
	case k.kind == kindBool:
		s.Form = FormSwitch
	case k.kind == kindNumber:
		s.Form, s.Min = FormNumber, k.min
	case k.kind == kindObjects:
		s.Form = FormEntries
		for _, f := range k.keys {
			s.Fields = append(s.Fields, f.name)
		}
	case isList:
		s.Form, s.Kind = FormList, entry.word()
	case k.kind == kindSize || k.kind == kindDuration:
		s.Max = 0 // it bounds the value, not its length
	default:
		s.Empty = !k.required
	}
	if k.def != "" && k.kind != kindLevel {
		s.Default = k.defaultValue()
	}
	return s
}

// word names the kind of a text for documents.
func (kd kind) word() string {
	switch kd {
	case kindPath:
		return "path"
	case kindAddress:
		return "address"
	case kindProxy:
		return "proxy"
	case kindDomain:
		return "domain"
	case kindLabel:
		return "label"
	case kindCIDR:
		return "range"
	case kindHours:
		return "hours"
	case kindSize:
		return "size"
	case kindDuration:
		return "duration"
	}
	return "text"
}
