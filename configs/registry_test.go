package configs

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/discreet-agent/discreet/privacy"
)

// registered is a memory beside a registry. A key that is nil cannot be read.
type registered struct {
	memory
	keys map[string]*regKey
	mu   *sync.Mutex // guards what keys holds, where it changes under a reader; else nil
}

func (r registered) Key(path string) (regKey, error) {
	if r.mu != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
	}
	k, ok := r.keys[path]
	switch {
	case !ok:
		return regKey{}, fs.ErrNotExist
	case k == nil:
		return regKey{}, fs.ErrPermission
	}
	return *k, nil
}

func registryLoader(r registered, lastGood string) *Loader {
	p := memoryPaths
	p.Optional, p.SettingsKey, p.PolicyKey = true, settingsKey, policyKey
	l := NewLoader(p, lastGood)
	l.disk = r
	return l
}

func sz(name, text string) regValue { return regValue{name: name, text: &text} }

func dword(name string, n uint32) regValue { return regValue{name: name, number: &n} }

func multi(name string, list ...string) regValue {
	return regValue{name: name, list: append([]string{}, list...)}
}

func sub(name string, k regKey) regSub { return regSub{name, k} }

func keyWith(v ...regValue) regKey { return regKey{values: v} }

func in(section string, v ...regValue) regKey {
	return regKey{keys: []regSub{sub(section, keyWith(v...))}}
}

// TestRegistryValues: what each type of value becomes, or the fault that it is.
func TestRegistryValues(t *testing.T) {
	for _, c := range []struct {
		name string
		key  regKey
		of   string // explained
		want string // its value
		bad  string // or the one fault
	}{
		{"a level", in("privacy", sz("username", "drop")), "privacy.username", "drop", ""},
		{"off is drop", in("privacy", sz("username", "off")), "privacy.username", "drop", ""},
		{"names in capitals", in("Privacy", sz("UserName", "drop")), "privacy.username", "drop", ""},
		{"a text", in("device", sz("asset_id", `A "1" \`)), "device.asset_id", `"A \"1\" \\"`, ""},
		{"a text that YAML would read as a number", in("device", sz("asset_id", "0012")), "device.asset_id", `"0012"`, ""},
		{"a text of several lines", in("privacy", sz("preset", "strict\nx: y")), "", "", policyKey + `\privacy: preset: "strict\nx: y", want one of strict, balanced, classic`},
		{"a duration", in("spool", sz("max_age", "7d")), "spool.max_age", "7d", ""},
		{"a size", in("spool", sz("max_bytes", "64MiB")), "spool.max_bytes", "64MiB", ""},
		{"a switch", regKey{keys: []regSub{sub("collectors", in("focus", dword("enabled", 0)))}}, "collectors.focus.enabled", "false", ""},
		{"a switch as text", regKey{keys: []regSub{sub("collectors", in("focus", sz("enabled", "false")))}}, "collectors.focus.enabled", "false", ""},
		{"a switch that is neither", regKey{keys: []regSub{sub("collectors", in("focus", dword("enabled", 2)))}}, "", "", policyKey + `\collectors\focus: enabled: 2, want true or false`},
		{"a number", regKey{keys: []regSub{sub("privacy", in("statement", dword("retention_days", 90)))}}, "privacy.statement.retention_days", "90", ""},
		{"a number as text", regKey{keys: []regSub{sub("privacy", in("statement", sz("retention_days", "90")))}}, "privacy.statement.retention_days", "90", ""},
		{"a number out of range", regKey{keys: []regSub{sub("privacy", in("statement", dword("retention_days", 0)))}}, "", "", policyKey + `\privacy\statement: retention_days: 0, want 1 to 36500`},
		{"a number where a word is wanted", in("privacy", dword("username", 1)), "", "", policyKey + `\privacy: username: 1, want one of drop, hashed, cleartext`},
		{"a list of several strings", in("device", multi("tags", "site-a", "", "it")), "device.tags", `[site-a, "", it]`, policyKey + `\device: tags[1]: a value that is not accepted, want text of 1 to 64 bytes`},
		{"a list", in("device", multi("tags", "site-a", "it")), "device.tags", `[site-a, it]`, ""},
		{"an empty list", in("device", multi("tags")), "device.tags", `[]`, ""},
		{"a list as text", in("device", sz("tags", "site-a, it,")), "device.tags", `[site-a, it]`, ""},
		{"a list as YAML", in("device", sz("tags", "[site-a, 'i,t']")), "device.tags", `[site-a, "i,t"]`, ""},
		{"a list as a key", in2("device", "tags", sz("1", "site-a"), sz("2", "it")), "device.tags", `[site-a, it]`, ""},
		{"a list as an empty key is none", in2("device", "tags"), "device.tags", `[]`, ""},
		{"a list as a key with another type", in2("device", "tags", dword("1", 7)), "", "", policyKey + `\device: tags: an entry that is not a REG_SZ, want one`},
		{"rules", in("privacy", sz("corporate_networks", "[{label: hq, cidr: 10.20.0.0/16}]")), "privacy.corporate_networks", "[{label: hq, cidr: \"10.20.0.0/16\"}]", ""},
		{"rules, one each", in("privacy", multi("corporate_networks", "{label: hq, cidr: 10.20.0.0/16}", "{label: lab, cidr: 10.30.0.0/16}")), "privacy.corporate_networks", "[{label: hq, cidr: \"10.20.0.0/16\"}, {label: lab, cidr: \"10.30.0.0/16\"}]", ""},
		{"rules as a key", in2("privacy", "corporate_networks", sz("1", "{label: hq, cidr: 10.20.0.0/16}")), "privacy.corporate_networks", "[{label: hq, cidr: \"10.20.0.0/16\"}]", ""},
		{"rules that are no YAML", in("privacy", sz("corporate_networks", "[{label: hq")), "", "", policyKey + `\privacy: corporate_networks: not a list, want one; hint: write [[{label: hq]`},
		{"a rule with an alias", in("privacy", sz("corporate_networks", "[&a {label: hq, cidr: 10.20.0.0/16}]")), "", "", policyKey + `\privacy: corporate_networks: not a list, want one; hint: write [[&a {label: hq, cidr: 10.20.0.0/16}]]`},
		{"a wrong entry of a rule", in("privacy", sz("corporate_networks", "[{label: hq, cidr: x}]")), "", "", policyKey + `\privacy: corporate_networks[0].cidr: "x", want a range like 10.20.0.0/16`},
		{"a value of another type", in("privacy", regValue{name: "username", other: "REG_BINARY"}), "", "", policyKey + `\privacy: username: a REG_BINARY, want a REG_SZ, REG_DWORD or REG_MULTI_SZ`},
		{"an unknown value", in("privacy", sz("usernam", "drop")), "", "", policyKey + `\privacy: usernam: unknown key; hint: did you mean privacy.username?`},
		{"an unknown key", in("privcy", sz("username", "drop")), "", "", policyKey + `: privcy: unknown key; hint: did you mean privacy?`},
		{"an unnamed value", keyWith(sz("", "x")), "", "", policyKey + `: (default): unknown key; hint: the sample files and "config schema" list every key`},
		{"a value where a section is wanted", keyWith(sz("privacy", "drop")), "", "", policyKey + `: privacy: a single value, want a map of keys`},
		{"nothing", regKey{}, "privacy.preset", "balanced", ""},
		{"an empty section", in("privacy"), "privacy.preset", "balanced", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := registryLoader(registered{keys: map[string]*regKey{policyKey: &c.key}}, "").Load()
			if got := faultTexts(l.Faults); got != c.bad {
				t.Fatalf("faults = %s\nwant %s", got, c.bad)
			}
			if c.bad != "" {
				return
			}
			e, err := l.Explain(c.of)
			if err != nil || e.Value != c.want {
				t.Errorf("Explain(%s) = %q, %v; want %q", c.of, e.Value, err, c.want)
			}
		})
	}
}

// in2 is a list written as a key of a section.
func in2(section, list string, v ...regValue) regKey {
	return regKey{keys: []regSub{sub(section, regKey{keys: []regSub{sub(list, keyWith(v...))}})}}
}

// TestRegistryLayers: what was chosen at install is the lowest of conf_d, the
// policy goes over everything, and each place is named.
func TestRegistryLayers(t *testing.T) {
	policy := in("privacy", sz("domains", "list"), sz("preset", "classic"))
	install := in("privacy", sz("username", "drop"), sz("upn", "hashed"), sz("domains", "drop"))
	l := good(t, registryLoader(registered{
		memory{"/c/agent.yaml": "privacy: {username: cleartext}", "/c/conf.d/1.yaml": "privacy: {upn: cleartext, device_name: hashed}"},
		map[string]*regKey{settingsKey: &install, policyKey: &policy}, nil,
	}, "").Load())
	for _, c := range []struct{ key, level, layer, source string }{
		{"domains", "list", "managed", policyKey + `\privacy`},
		{"username", "cleartext", "managed", policyKey + `\privacy`}, // by its preset
	} {
		d := decision(t, l, c.key)
		if d.Level.String() != c.level || d.Layer != c.layer || d.Source != c.source {
			t.Errorf("%s = %s from %s %s; want %s from %s %s", c.key, d.Level, d.Layer, d.Source, c.level, c.layer, c.source)
		}
	}
	d := decision(t, l, "username")
	if len(d.Outvoted) != 2 || d.Outvoted[0] != (Outvoted{privacy.Drop, layerConfD, settingsKey + `\privacy`}) || d.Outvoted[1].Layer != layerFile {
		t.Errorf("username outvotes %v; want the install's drop, then the file's", d.Outvoted)
	}
	if d := decision(t, l, "upn"); d.Outvoted[0].Layer != layerConfD || slashed(d.Outvoted[0].Source) != "/c/conf.d/1.yaml:1" {
		t.Errorf("upn outvotes %v; want conf.d over what was chosen at install", d.Outvoted)
	}
	e, err := l.Explain("username")
	if err != nil || !strings.Contains(e.String(), "from:     managed "+policyKey+`\privacy`+"\n") {
		t.Errorf("Explain says %s, %v; want the key of the registry", e, err)
	}
}

// TestRegistryPinsNobody: like a file of the managed policy, the key does not say
// whose signatures count; what is chosen at install does.
func TestRegistryPinsNobody(t *testing.T) {
	k := regKey{keys: []regSub{sub("trust", in("push", dword("threshold", 2)))}}
	l := registryLoader(registered{keys: map[string]*regKey{policyKey: &k}}, "").Load()
	if len(l.Faults) != 1 || !strings.HasPrefix(l.Faults[0].Key, "trust") {
		t.Errorf("faults = %s; want one about trust", faultTexts(l.Faults))
	}
	good(t, registryLoader(registered{keys: map[string]*regKey{settingsKey: &k}}, "").Load())
}

// TestRegistryLastGood: a key with a fault keeps its last good form, over a
// restart too, with its place; a key that is gone does not come back.
func TestRegistryLastGood(t *testing.T) {
	dir := t.TempDir()
	r := registered{memory{}, map[string]*regKey{}, nil}
	set := func(v ...regValue) { k := in("privacy", v...); r.keys[policyKey] = &k }
	want := func(l *Loaded, level, layer string, faults int) {
		t.Helper()
		d := decision(t, l, "username")
		if d.Level.String() != level || d.Layer != layer || len(l.Faults) != faults || l.OnlyHealth {
			t.Errorf("username = %s from %s, %d faults, only health %v; want %s from %s, %d faults", d.Level, d.Layer, len(l.Faults), l.OnlyHealth, level, layer, faults)
		}
		if layer == layerManaged && d.Source != policyKey+`\privacy` {
			t.Errorf("source = %s; want the key", d.Source)
		}
	}
	one := registryLoader(r, dir)
	set(sz("username", "drop"))
	want(one.Load(), "drop", layerManaged, 0)
	set(sz("username", "dropp"))
	want(one.Load(), "drop", layerManaged, 1)
	want(registryLoader(r, dir).Load(), "drop", layerManaged, 1)
	set(regValue{name: "username", other: "REG_BINARY"})
	want(one.Load(), "drop", layerManaged, 1)
	want(registryLoader(r, dir).Load(), "drop", layerManaged, 1)
	r.keys[policyKey] = nil // not readable
	want(one.Load(), "drop", layerManaged, 1)
	delete(r.keys, policyKey)
	want(one.Load(), "hashed", layerDefaults, 0)
	set(sz("username", "dropp"))
	if l := one.Load(); !l.OnlyHealth {
		t.Errorf("OnlyHealth = false; want true: the last good form went with the key")
	}
}

// TestRegistryTightens: a key with a fault is refused, and what it tightens holds.
func TestRegistryTightens(t *testing.T) {
	k := regKey{keys: []regSub{sub("privacy", regKey{values: []regValue{sz("nonsense", "1")}, keys: []regSub{sub("tighten", keyWith(sz("username", "drop")))}})}}
	r := registered{memory{}, map[string]*regKey{}, nil}
	l := registryLoader(r, "")
	good(t, l.Load())
	empty := regKey{}
	r.keys[policyKey] = &empty
	good(t, l.Load())
	r.keys[policyKey] = &k
	d := decision(t, l.Load(), "username")
	if d.Level != privacy.Drop || d.BoundBy != "tighten" || d.Source != policyKey+`\privacy\tighten` {
		t.Errorf("username = %s bound by %q from %s; want drop by tighten", d.Level, d.BoundBy, d.Source)
	}
}

// TestRegistryEverySetting writes each setting's default, or its example, as the
// type of value that an administrative template gives it.
func TestRegistryEverySetting(t *testing.T) {
	count := 0
	leaves("", agentKeys(SystemPlaces()), func(path string, k *key) {
		if strings.HasPrefix(path, "trust.") {
			return // not in the policy
		}
		text := strings.Trim(k.def, `"`)
		if k.kind == kindPath && text == "" {
			text = SystemPlaces().file("x")
		}
		v := sz(k.name, text)
		switch {
		case k.kind == kindNumber:
			v = dword(k.name, uint32(max(k.min, 1)))
		case k.kind == kindBool:
			v = dword(k.name, 1)
		}
		words := strings.Split(path, ".")
		at := keyWith(v)
		for _, w := range slices.Backward(words[:len(words)-1]) {
			at = regKey{keys: []regSub{sub(w, at)}}
		}
		l := registryLoader(registered{keys: map[string]*regKey{policyKey: &at}}, "").Load()
		if len(l.Faults) > 0 {
			t.Errorf("%s as %v: %s", path, v, faultTexts(l.Faults))
		}
		count++
	})
	if count < 100 {
		t.Errorf("tried %d settings; want every one", count)
	}
}

// fakeKeys is a watch of keys that the test tells.
type fakeKeys struct {
	changed chan struct{}
	armed   int
	refuse  bool
	closed  bool
}

func (f *fakeKeys) Arm() bool                { f.armed++; return !f.refuse }
func (f *fakeKeys) Changed() <-chan struct{} { return f.changed }
func (f *fakeKeys) Close()                   { f.closed = true }

// TestWatchRegistry: a change of a key is told once it has settled, each time; where
// the system does not tell, it is seen by looking.
func TestWatchRegistry(t *testing.T) {
	for name, refuse := range map[string]bool{"told": false, "looked at": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := in("privacy", sz("username", "drop"))
				r := registered{memory{}, map[string]*regKey{policyKey: &k}, new(sync.Mutex)}
				told := 0
				w := newWatcher(AgentPaths{PolicyKey: policyKey}, func() { told++ })
				w.disk = r
				note, keys := newFakeNotifier(), &fakeKeys{changed: make(chan struct{}, 1), refuse: refuse}
				w.open = func() (notifier, error) { return note, nil }
				w.openKeys = func(paths []string) keyWatch {
					if !slices.Equal(paths, []string{policyKey}) {
						t.Errorf("watches %q; want the key of the policy", paths)
					}
					return keys
				}
				done := make(chan error)
				stop := run(t, w, done)
				for i, level := range []string{"hashed", "cleartext"} {
					synctest.Wait()
					r.mu.Lock()
					*r.keys[policyKey] = in("privacy", sz("username", level))
					r.mu.Unlock()
					if !refuse {
						keys.changed <- struct{}{}
					}
					time.Sleep(3 * time.Second)
					synctest.Wait()
					if told != i+1 {
						t.Errorf("told %d times after change %d; want %d, within 3 s", told, i+1, i+1)
					}
				}
				if !refuse && keys.armed != 3 {
					t.Errorf("armed %d times; want 3: before the first read and after each change", keys.armed)
				}
				stop()
				if err := <-done; err != nil || !keys.closed {
					t.Errorf("run() = %v, closed %v; want nil, true", err, keys.closed)
				}
			})
		})
	}
}

// run starts w from the state in which it finds its files.
func run(t *testing.T, w *watcher, done chan<- error) (stop func()) {
	ctx, stop := context.WithCancel(t.Context())
	seen := w.now()
	go func() { done <- w.run(ctx, seen) }()
	return stop
}

// FuzzRegistry: whatever stands in the registry, the faults are at a key of it and
// nothing of it becomes a setting that the checks of files would refuse.
func FuzzRegistry(f *testing.F) {
	for _, s := range [][2]string{{"privacy", "username"}, {"device", "tags"}, {"privacy", "corporate_networks"}, {"collectors", "focus"}, {"a: b", "c # d"}, {"schema", "x"}, {"\x00", "\u2028"}} {
		f.Add(s[0], s[1], "drop", uint32(1), byte(0))
		f.Add(s[0], s[1], "[{label: hq, cidr: 10.0.0.0/8}]", uint32(7), byte(1))
		f.Add(s[0], s[1], "*a\n---\nb: !!x", uint32(7), byte(2))
		f.Add(s[0], s[1], "{a: [{b: .inf}]}", uint32(7), byte(3))
	}
	table := agentKeys(SystemPlaces())
	f.Fuzz(func(t *testing.T, section, name, text string, n uint32, shape byte) {
		section, name, text = strings.ToValidUTF8(section, "?"), strings.ToValidUTF8(name, "?"), strings.ToValidUTF8(text, "?")
		v := []regValue{sz(name, text), dword(name, n), multi(name, text, text), {name: name, other: "REG_BINARY"}}[shape%4]
		k := in(section, v)
		if shape&4 != 0 {
			k = in2(section, name, sz("1", text), v)
		}
		if shape&8 != 0 {
			k.values = []regValue{v}
		}
		s := readKey(layerManaged, policyKey, registered{keys: map[string]*regKey{policyKey: &k}}, table)
		if again := readKey(layerManaged, policyKey, registered{keys: map[string]*regKey{policyKey: &k}}, table); string(again.data) != string(s.data) {
			t.Fatalf("the same key is written as %q and as %q", s.data, again.data)
		}
		l := checkKey(s, s.data, table)
		for _, fault := range l.faults {
			if strings.Contains(fault.Text, "not YAML") || strings.Contains(fault.Text, "no settings") || strings.Contains(fault.Text, "tag") || strings.Contains(fault.Text, "alias") {
				t.Errorf("readKey wrote %q, which is no file: %s", s.data, fault)
			}
			if !inRegistry(fault.File) || fault.Line != 0 {
				t.Errorf("fault at %s:%d; want a key", fault.File, fault.Line)
			}
		}
		if v.other != "" && len(l.faults) == 0 {
			t.Errorf("a %s is no fault in %q", v.other, s.data)
		}
	})
}
