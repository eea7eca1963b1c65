package fleet

import (
	"fmt"
	"time"

	"github.com/discreet-agent/discreet/configs"
)

// manifestMade is the day that the manifest names. It is moved by hand where its
// keys change: the same table gives the same bytes.
func manifestMade() time.Time { return time.Date(2026, time.November, 24, 0, 0, 0, 0, time.UTC) }

// manifest writes the form of our keys for ProfileCreator and what else reads its
// manifests.
// https://github.com/ProfileCreator/ProfileManifests/wiki/Manifest-Format
func (l *language) manifest(all []configs.Setting) []byte {
	keys := payloadKeys(l)
	for _, n := range tree(all) {
		keys = append(keys, l.manifestKey(n))
	}
	return plist(dict{
		{"pfm_domain", domain},
		{"pfm_title", l.text("product")},
		{"pfm_description", l.text("product.help")},
		{"pfm_format_version", 1},
		{"pfm_version", 1},
		{"pfm_last_modified", manifestMade()},
		{"pfm_platforms", []any{"macOS"}},
		{"pfm_targets", []any{"system"}},
		{"pfm_unique", true},
		{"pfm_subkeys", keys},
	}, generated)
}

// payloadKeys are those that every payload has.
func payloadKeys(l *language) []any {
	key := func(name, title, kind, def string) dict {
		d := dict{{"pfm_name", name}, {"pfm_title", title}, {"pfm_type", kind}}
		switch {
		case kind == "integer":
			d = append(d, pair{"pfm_default", 1})
		case def != "":
			d = append(d, pair{"pfm_default", def})
		}
		if name != "PayloadDescription" {
			d = append(d, pair{"pfm_require", "always"})
		}
		return d
	}
	return []any{
		key("PayloadDescription", "Description of the payload", "string", l.text("product.help")),
		key("PayloadDisplayName", "Name of the payload", "string", l.text("product")),
		key("PayloadIdentifier", "Identifier of the payload", "string", domain),
		key("PayloadType", "Type of the payload", "string", domain),
		append(key("PayloadUUID", "UUID of the payload", "string", ""), pair{"pfm_format", `^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`}),
		key("PayloadVersion", "Version of the payload", "integer", ""),
	}
}

func (l *language) manifestKey(n *node) dict {
	d := dict{{"pfm_name", last(n.Path)}, {"pfm_title", n.Path}}
	if n.Form == configs.FormSection {
		var below []any
		for _, b := range n.below {
			below = append(below, l.manifestKey(b))
		}
		return append(d, pair{"pfm_type", "dictionary"}, pair{"pfm_description", l.doc(n.Setting)}, pair{"pfm_subkeys", below})
	}
	d = append(d, pair{"pfm_description", l.help(n.Setting, false)})
	switch n.Form {
	case configs.FormSwitch:
		return append(d, pair{"pfm_type", "boolean"}, pair{"pfm_default", n.Default})
	case configs.FormNumber:
		return append(d, pair{"pfm_type", "integer"}, pair{"pfm_default", n.Default}, pair{"pfm_range_min", n.Min}, pair{"pfm_range_max", n.Max})
	case configs.FormList:
		return append(d, pair{"pfm_type", "array"}, pair{"pfm_subkeys", []any{dict{{"pfm_type", "string"}, {"pfm_title", last(n.Path)}}}})
	case configs.FormEntries:
		return append(d, pair{"pfm_type", "array"}, pair{"pfm_subkeys", []any{dict{
			{"pfm_type", "dictionary"}, {"pfm_title", last(n.Path)}, {"pfm_subkeys", manifestEntry(n.Fields)},
		}}})
	case configs.FormChoice:
		d = append(d, pair{"pfm_type", "string"}, pair{"pfm_range_list", texts(n.Choices, nil)},
			pair{"pfm_range_list_titles", texts(n.Choices, func(c string) string { return l.choice(n.Setting, c) })})
		if n.Level == "" {
			d = append(d, pair{"pfm_default", n.Default})
		}
		return d
	}
	if d = append(d, pair{"pfm_type", "string"}); n.Example != "" {
		d = append(d, pair{"pfm_value_placeholder", n.Example})
	} else if def := fmt.Sprint(n.Default); def != "" {
		d = append(d, pair{"pfm_value_placeholder", def})
	}
	return d
}

func manifestEntry(fields []string) []any {
	var keys []any
	for _, f := range fields {
		keys = append(keys, dict{{"pfm_name", f}, {"pfm_title", f}, {"pfm_type", "string"}, {"pfm_require", "always"}})
	}
	return keys
}

// texts returns the words as values, each through say where there is one.
func texts(words []string, say func(string) string) []any {
	var all []any
	for _, w := range words {
		if say != nil {
			w = say(w)
		}
		all = append(all, w)
	}
	return all
}
