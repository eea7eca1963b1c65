package privacy

import "strings"

const (
	memoEntries = 1024 // of one memo at one level
	memoText    = 1024 // a longer value is not kept
)

// memo keeps what a rule made of the values of late. A full memo is emptied:
// a device has few programs and people, and they come back at once.
type memo[V any] struct {
	of [numLevels]map[string]V
}

func (m *memo[V]) get(l Level, v string) (out V, ok bool) {
	if l >= numLevels {
		return out, false
	}
	out, ok = m.of[l][v]
	return out, ok
}

func (m *memo[V]) put(l Level, v string, out V) {
	if l >= numLevels || len(v) > memoText {
		return
	}
	if m.of[l] == nil {
		m.of[l] = make(map[string]V)
	}
	if len(m.of[l]) >= memoEntries {
		clear(m.of[l])
	}
	m.of[l][strings.Clone(v)] = out
}

func (m *memo[V]) forget() {
	for _, kept := range m.of {
		clear(kept)
	}
}

// kept returns what a rule made of v before, or asks the rule and
// keeps its answer. A value
// longer than any real one is dropped unread.
func (r *rules) kept(m *memo[string], l Level, v string, rule func(*rules, Level, string) string) string {
	if out, ok := m.get(l, v); ok {
		return out
	}
	if v == "" || len(v) > maxInput {
		return ""
	}
	out := rule(r, l, v)
	m.put(l, v, out)
	return out
}
