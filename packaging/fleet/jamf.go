package fleet

import (
	"encoding/json"

	"github.com/discreet-agent/discreet/configs"
)

// jamf writes the form of our keys for Jamf Pro: "Application & Custom Settings",
// "External Applications", "Custom Schema". Every key can be "Not Configured", so that
// only what somebody chose is in the profile.
// https://docs.jamf.com/technical-papers/jamf-pro/json-schema/10.26.0/JSON_Schema_Manifest_Structure.html
func (l *language) jamf(all []configs.Setting) ([]byte, error) {
	data, err := json.MarshalIndent(map[string]any{
		"title":       l.text("product") + " (" + domain + ")",
		"description": l.text("product.help"),
		"$comment":    generated,
		"properties":  l.jamfKeys(tree(all)),
	}, "", "  ")
	return append(data, '\n'), err
}

func (l *language) jamfKeys(nodes []*node) map[string]any {
	keys := map[string]any{}
	for i, n := range nodes {
		k := map[string]any{"title": n.Path, "property_order": 5 * (i + 1)}
		if n.Form == configs.FormSection {
			k["description"], k["type"], k["properties"] = l.doc(n.Setting), "object", l.jamfKeys(n.below)
		} else {
			value := l.jamfValue(n.Setting)
			value["title"] = "Configured"
			k["description"] = l.help(n.Setting, false)
			k["anyOf"] = []any{map[string]any{"type": "null", "title": "Not Configured"}, value}
		}
		keys[last(n.Path)] = k
	}
	return keys
}

func (l *language) jamfValue(s configs.Setting) map[string]any {
	switch s.Form {
	case configs.FormSwitch:
		return map[string]any{"type": "boolean"}
	case configs.FormNumber:
		return map[string]any{"type": "integer", "minimum": s.Min, "maximum": s.Max}
	case configs.FormChoice:
		return map[string]any{"type": "string", "enum": s.Choices,
			"options": map[string]any{"enum_titles": texts(s.Choices, func(c string) string { return l.choice(s, c) })}}
	case configs.FormList:
		return map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
	case configs.FormEntries:
		fields := map[string]any{}
		for _, f := range s.Fields {
			fields[f] = map[string]any{"type": "string", "title": f}
		}
		return map[string]any{"type": "array", "items": map[string]any{"type": "object", "properties": fields, "required": s.Fields}}
	}
	return map[string]any{"type": "string"}
}
