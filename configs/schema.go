package configs

import "encoding/json"

// Schema returns the JSON Schema (draft 2020-12) of agent.yaml. It says what an
// editor can use; the loader checks more.
func Schema() []byte {
	return schemaOf("Settings of discreet-agent", agentKeys(LinuxPlaces()))
}

// GatewaySchema returns the one of gateway.yaml.
func GatewaySchema() []byte {
	return schemaOf("Settings of discreet-gateway", gatewayKeys(LinuxPlaces()))
}

func schemaOf(title string, keys []key) []byte {
	s := schemaMap(keys, nil)
	s["$schema"], s["title"] = "https://json-schema.org/draft/2020-12/schema", title
	data, err := json.MarshalIndent(s, "", "  ")
	must(err)
	return append(data, '\n')
}

func schemaMap(keys []key, required []string) map[string]any {
	props := map[string]any{}
	for i := range keys {
		props[keys[i].name] = keys[i].schema()
	}
	m := map[string]any{"type": "object", "additionalProperties": false, "properties": props}
	if required != nil {
		m["required"] = required
	}
	return m
}

// schema returns what the row takes.
func (k *key) schema() map[string]any {
	var s map[string]any
	entryKind, isList := k.kind.list()
	switch {
	case k.kind == kindSection:
		s = schemaMap(k.keys, nil)
	case k.kind == kindObjects:
		var names []string
		for _, row := range k.keys {
			names = append(names, row.name)
		}
		s = map[string]any{"type": "array", "items": schemaMap(k.keys, names)}
	case isList:
		s = map[string]any{"type": "array", "items": k.schemaScalar(entryKind)}
	default:
		s = k.schemaScalar(k.kind)
	}
	if k.doc != "" {
		s["description"] = k.doc
	}
	if k.def != "" && k.kind != kindLevel && k.kind != kindSection {
		s["default"] = k.defaultValue()
	}
	return s
}

func (k *key) schemaScalar(kd kind) map[string]any {
	text := func(pattern string) map[string]any {
		s := map[string]any{"type": "string"}
		if pattern != "" {
			s["pattern"] = pattern
		}
		return s
	}
	switch kd {
	case kindLevel:
		values := []any{}
		for _, name := range k.enum {
			values = append(values, name)
			if name == "drop" {
				values = append(values, "off", false)
			}
		}
		return map[string]any{"enum": values}
	case kindEnum:
		return map[string]any{"enum": k.enum}
	case kindBool:
		return map[string]any{"type": "boolean"}
	case kindNumber:
		return map[string]any{"type": "integer", "minimum": k.min, "maximum": k.max}
	case kindSize:
		return text(`^[0-9]+(KiB|MiB|GiB)$`)
	case kindDuration:
		return text(`^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$`)
	case kindHours:
		return text(`^([0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2})?$`)
	case kindLabel:
		return text(`^[a-z0-9-]*$`)
	}
	s := text("")
	if k.max > 0 {
		s["maxLength"] = k.max
	}
	return s
}

// defaultValue returns the default as JSON spells it.
func (k *key) defaultValue() any {
	root, _ := parse("", []byte("value: "+k.def))
	var v any
	must(root.Content[1].Decode(&v))
	return v
}
