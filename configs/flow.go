package configs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// flow writes a value of the row k the way a file spells it, on one line.
func (k *key) flow(v any) string {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case time.Duration:
		return formatDuration(v)
	case int64:
		if k.kind == kindSize {
			return formatSize(v)
		}
		return strconv.FormatInt(v, 10)
	case string:
		if k.kind == kindEnum || k.kind == kindLevel {
			return v
		}
		return quote(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = k.flowEntry(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}

func (k *key) flowEntry(e any) string {
	m, ok := e.(map[string]any)
	if !ok {
		return k.flow(e)
	}
	var parts []string
	for i := range k.keys {
		if v, ok := m[k.keys[i].name]; ok {
			parts = append(parts, k.keys[i].name+": "+k.keys[i].flow(v))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// quote writes s as YAML: plain where no reader could take it for anything but
// text, else in double quotes.
func quote(s string) string {
	plain := strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._-", r)
	}) < 0
	first := s != "" && (s[0] == '/' || s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z')
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf":
		plain = false
	}
	if plain && first {
		return s
	}
	return yamlQuote(s)
}

// yamlQuote writes a double-quoted YAML scalar. Go's own quoting differs in what
// it does with invalid bytes, which cannot stand here.
func yamlQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
