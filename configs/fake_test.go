package configs

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/discreet-agent/discreet/privacy"
)

// memory is a files made of strings. A path whose text is "!" cannot be read.
type memory map[string]string

func (m memory) Read(name string) ([]byte, fs.FileMode, error) {
	text, ok := m[filepath.ToSlash(name)]
	switch {
	case !ok:
		return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case text == "!":
		return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return []byte(text), 0o644, nil
}

func (m memory) List(dir string) ([]string, error) {
	if dir = filepath.ToSlash(dir); m[dir] == "!" {
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

func (m memory) Key(string) (regKey, error) { return regKey{}, fs.ErrNotExist }

// paths of the files in a memory.
var memoryPaths = AgentPaths{File: "/c/agent.yaml", ConfDir: "/c/conf.d", PushFile: "/c/push.yaml", PolicyDir: "/c/policy.d"}

func loaderOf(m memory) *Loader {
	l := NewLoader(memoryPaths, "")
	l.disk = &signing{memory: m}
	l.pinned = &signers{keys: []ed25519.PublicKey{testKey(1).Public().(ed25519.PublicKey)}, threshold: 1}
	return l
}

// signing is a memory whose push file holds plain settings: whoever reads it gets
// them as a signed bundle, with a higher version for each new text.
type signing struct {
	memory
	last    string
	version int64
}

func (s *signing) Read(name string) ([]byte, fs.FileMode, error) {
	data, mode, err := s.memory.Read(name)
	if name != memoryPaths.PushFile || err != nil {
		return data, mode, err
	}
	if text := string(data); text != s.last || s.version == 0 {
		s.last, s.version = text, s.version+1
	}
	return seal(payloadOf(s.version, s.last), testKey(1)), mode, nil
}

// testKey returns one of a row of keys that are the same in each run.
func testKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

// payloadOf writes settings, in flow style and on line 1, as a bundle's payload.
func payloadOf(version int64, settings string) string {
	return fmt.Sprintf("settings: {%s}\nversion: %d\nnot_before: 2020-01-01T00:00:00Z\nexpires: 2120-01-01T00:00:00Z\n", settings, version)
}

// seal signs a payload with each of keys.
func seal(payload string, keys ...ed25519.PrivateKey) []byte {
	return sealAs(bundleType, payload, keys...)
}

func sealAs(kind, payload string, keys ...ed25519.PrivateKey) []byte {
	e := envelope{Payload: []byte(payload), PayloadType: kind}
	for _, k := range keys {
		e.Signatures = append(e.Signatures, signature{Sig: ed25519.Sign(k, preAuth(kind, e.Payload))})
	}
	data, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return data
}

func keysOf(numbers []byte) []ed25519.PrivateKey {
	var keys []ed25519.PrivateKey
	for _, n := range numbers {
		keys = append(keys, testKey(n))
	}
	return keys
}

// linuxPaths skips what compares whole paths, or gives absolute ones, in the form
// of Linux.
func linuxPaths(t *testing.T) {
	t.Helper()
	if filepath.Separator == '\\' {
		t.Skip("Windows: the test's own settings name Linux paths, which are not absolute there; the code is the same on every system")
	}
}

// loadText loads one agent.yaml.
func loadText(text string) *Loaded { return loaderOf(memory{"/c/agent.yaml": text}).Load() }

// slashed brings the path that a place begins with into the form that tests write.
// A key of the registry has one form.
func slashed(place string) string {
	if strings.HasPrefix(place, `HKLM\`) {
		return place
	}
	return filepath.ToSlash(place)
}

func faultTexts(faults []Fault) string {
	var lines []string
	for _, f := range faults {
		lines = append(lines, slashed(f.String()))
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
	d := l.Decisions[k]
	d.Source = slashed(d.Source)
	return d
}
