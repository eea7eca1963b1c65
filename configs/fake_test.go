package configs

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/discreet-agent/discreet/privacy"
)

// memory is a files made of strings. A path whose text is "!" cannot be read.
type memory map[string]string

func (m memory) Read(name string) ([]byte, fs.FileMode, error) {
	text, ok := m[name]
	switch {
	case !ok:
		return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case text == "!":
		return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return []byte(text), 0o644, nil
}

func (m memory) List(dir string) ([]string, error) {
	if m[dir] == "!" {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrPermission}
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	return names, nil
}

// paths of the files in a memory.
var memoryPaths = AgentPaths{File: "/c/agent.yaml", ConfDir: "/c/conf.d", PushFile: "/c/push.yaml", PolicyDir: "/c/policy.d"}

func loaderOf(m memory) *Loader {
	l := NewLoader(memoryPaths, "")
	l.disk = m
	return l
}

// loadText loads one agent.yaml.
func loadText(text string) *Loaded { return loaderOf(memory{"/c/agent.yaml": text}).Load() }

func faultTexts(faults []Fault) string {
	var lines []string
	for _, f := range faults {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "\n")
}

// good fails the test where l has a fault.
func good(t *testing.T, l *Loaded) *Loaded {
	t.Helper()
	if len(l.Faults) > 0 || l.Degraded || l.OnlyHealth {
		t.Fatalf("Load() has faults:\n%s\nwant none", faultTexts(l.Faults))
	}
	return l
}

// level returns the decision about a key by its name.
func decision(t *testing.T, l *Loaded, name string) Decision {
	t.Helper()
	k, ok := privacy.ParseKey(name)
	if !ok {
		t.Fatalf("no privacy key %q", name)
	}
	return l.Decisions[k]
}
