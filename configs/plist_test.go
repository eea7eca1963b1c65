package configs

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/privacy"
)

// prefs is where the tests' forced preferences are.
const prefs = "/c/org.discreet.agent.plist"

func prefsLoader(m memory) *Loader {
	l := loaderOf(m)
	l.paths.Preferences = prefs
	return l
}

// xmlOf wraps the inside of a dictionary.
func xmlOf(dict string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>` + dict + `</dict></plist>`
}

func privacyXML(dict string) string { return xmlOf("<key>privacy</key><dict>" + dict + "</dict>") }

// TestPreferences reads one dictionary in both forms, as another writer of property
// lists wrote them, and compares it with the same settings in YAML.
func TestPreferences(t *testing.T) {
	same := good(t, loaderOf(memory{"/c/agent.yaml": "{}", "/c/policy.d/a.yaml": `
gateway: {address: "gw.example:8443"}
device: {asset_id: A-1, tags: [berlin, müller-straße]}
privacy:
  preset: strict
  username: drop
  wifi_ssid: false
  tighten: {logons: drop}
  corporate_networks: [{label: hq, cidr: 10.20.0.0/16}]
  quiet: {hours: "19:00-07:00", weekends: true}
  pause: {allowed: true, max: 30m, per_day: 2}
privacy_floor: {domains: drop}
collectors: {wifi: {enabled: false}}
`}).Load())
	for _, form := range []string{"xml", "binary"} {
		t.Run(form, func(t *testing.T) {
			data, err := os.ReadFile("testdata/preferences/" + form + ".plist")
			if err != nil {
				t.Fatal(err)
			}
			l := good(t, prefsLoader(memory{"/c/agent.yaml": "privacy: {username: cleartext}", prefs: string(data)}).Load())
			if !reflect.DeepEqual(l.Settings, same.Settings) || l.Policy != same.Policy || !reflect.DeepEqual(l.Floor, same.Floor) {
				t.Errorf("Load() = %+v; want what YAML gives, %+v", l.Settings, same.Settings)
			}
			d := decision(t, l, "username")
			if d.Layer != layerManaged || d.Source != "org.discreet.agent" || len(d.Outvoted) != 1 {
				t.Errorf("username comes from %s %s over %v; want managed org.discreet.agent over agent.yaml", d.Layer, d.Source, d.Outvoted)
			}
			e, err := l.Explain("device.asset_id")
			if err != nil || !strings.Contains(e.String(), "from:     managed org.discreet.agent\n") {
				t.Errorf("Explain(device.asset_id) = %s, %v; want its place named", e, err)
			}
		})
	}
}

func TestPreferencesGoOverPolicyFolder(t *testing.T) {
	l := good(t, prefsLoader(memory{"/c/agent.yaml": "{}", "/c/policy.d/a.yaml": "privacy: {logons: full}", prefs: privacyXML("<key>logons</key><string>day</string>")}).Load())
	if d := decision(t, l, "logons"); d.Level.String() != "day" || d.Source != "org.discreet.agent" {
		t.Errorf("logons = %s from %s; want day from org.discreet.agent", d.Level, d.Source)
	}
}

// TestPreferencesFaults names each fault by the domain and the key, all at once.
func TestPreferencesFaults(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"unknown level", privacyXML("<key>username</key><string>clear</string>"), `org.discreet.agent: privacy.username: "clear", want one of drop, hashed, cleartext`},
		{"unknown key", privacyXML("<key>user_name</key><string>drop</string>"), "org.discreet.agent: privacy.user_name: unknown key; hint: did you mean privacy.username?"},
		{"key twice", privacyXML("<key>logons</key><string>full</string><key>logons</key><string>drop</string>"), "org.discreet.agent: privacy.logons: stands here again; want it once"},
		{"true as a level", privacyXML("<key>username</key><true/>"), "org.discreet.agent: privacy.username: true, want one of drop, hashed, cleartext"},
		{"a number as text", xmlOf("<key>device</key><dict><key>asset_id</key><integer>7</integer></dict>"), "org.discreet.agent: device.asset_id: a value that is not accepted, want text of 1 to 128 bytes; hint: put it in quotes"},
		{"text as a number", privacyXML("<key>pause</key><dict><key>per_day</key><string>4</string></dict>"), `org.discreet.agent: privacy.pause.per_day: "4", want a whole number`},
		{"a real as a number", privacyXML("<key>pause</key><dict><key>per_day</key><real>4.0</real></dict>"), "org.discreet.agent: privacy.pause.per_day: 4.0, want a whole number"},
		{"data", privacyXML("<key>username</key><data>AAAA</data>"), "org.discreet.agent: privacy.username: data, want one of drop, hashed, cleartext"},
		{"a section that is text", xmlOf("<key>privacy</key><string>strict</string>"), "org.discreet.agent: privacy: a single value, want a map of keys"},
		{"dotted key", xmlOf("<key>privacy.username</key><string>drop</string>"), "org.discreet.agent: privacy.username: unknown key; hint: write username below privacy"},
		{"pins", xmlOf("<key>trust</key><dict><key>push</key><dict><key>key_files</key><array><string>/x.pem</string></array></dict></dict>"), "org.discreet.agent: trust"},
		{"not a dictionary", `<plist version="1.0"><array/></plist>`, "org.discreet.agent: not a dictionary, want one of keys"},
		{"cut off", privacyXML("")[:150], "org.discreet.agent: not a property list: "},
		{"empty", "", "org.discreet.agent: not a property list: cut off or empty; hint: install the profile again"},
		{"YAML", "privacy: {username: drop}", "org.discreet.agent: not a property list: line 1: text between the elements"},
		{"an entity", `<!DOCTYPE plist [<!ENTITY a "b">]><plist><dict/></plist>`, "org.discreet.agent: not a property list: line 1: a declaration that is not Apple's"},
		{"another encoding", `<?xml version="1.0" encoding="ISO-8859-1"?><plist><dict/></plist>`, "org.discreet.agent: not a property list: not well-formed XML"},
		{"value without key", xmlOf("<string>a</string>"), "org.discreet.agent: not a property list: line 3: keys and values of a dict do not alternate"},
		{"key without value", xmlOf("<key>a</key>"), "org.discreet.agent: not a property list: line 3: a key of a dict has no value"},
		{"too deep", xmlOf("<key>a</key>" + strings.Repeat("<array>", 20) + strings.Repeat("</array>", 20)), "nested more than 16 deep"},
		{"too many", xmlOf("<key>a</key><array>" + strings.Repeat("<true/>", 20000) + "</array>"), "more than 20000 values"},
		{"too large", xmlOf("<key>a</key><string>" + strings.Repeat("x", maxFile) + "</string>"), "larger than 1 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := prefsLoader(memory{"/c/agent.yaml": "{}", prefs: c.data}).Load()
			if got := faultTexts(l.Faults); !strings.Contains(got, c.want) || !l.OnlyHealth {
				t.Errorf("Load() has faults %q, only health: %v; want %q, true", got, l.OnlyHealth, c.want)
			}
		})
	}
}

// TestPreferencesKeepLastGoodForm: a faulty store never loosens what the good one
// said, over a restart either; a store that is gone is gone.
func TestPreferencesKeepLastGoodForm(t *testing.T) {
	dir := t.TempDir()
	p := AgentPathsFor(filepath.Join(dir, "agent.yaml"))
	p.Preferences = filepath.Join(dir, "managed.plist")
	put(t, p.File, "privacy: {username: cleartext}\n")
	state := filepath.Join(dir, "state")
	data, err := os.ReadFile("testdata/preferences/binary.plist")
	if err != nil {
		t.Fatal(err)
	}
	put(t, p.Preferences, string(data))
	first := NewLoader(p, state)
	good(t, first.Load())
	put(t, p.Preferences, privacyXML("<key>username</key><string>nonsense</string>"))
	for name, loader := range map[string]*Loader{"running": first, "after a restart": NewLoader(p, state)} {
		l := loader.Load()
		if d := decision(t, l, "username"); d.Level != privacy.Drop || !l.Degraded || l.OnlyHealth {
			t.Errorf("%s: username = %s, degraded %v, only health %v; want drop, true, false", name, d.Level, l.Degraded, l.OnlyHealth)
		}
	}
	if err := os.Remove(p.Preferences); err != nil {
		t.Fatal(err)
	}
	if d := decision(t, good(t, first.Load()), "username"); d.Level.String() != "cleartext" {
		t.Errorf("without preferences username = %s; want cleartext", d.Level)
	}
}

// TestWatchPreferences: a profile that comes and goes is told, though its folder
// was not there before.
func TestWatchPreferences(t *testing.T) {
	dir := t.TempDir()
	p := AgentPathsFor(filepath.Join(dir, "agent.yaml"))
	p.Preferences = filepath.Join(dir, "Managed Preferences", "managed.plist")
	put(t, p.File, "{}\n")
	loader := NewLoader(p, "")
	loader.Load()
	told := make(chan struct{}, 10)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- loader.Watch(ctx, func() { told <- struct{}{} }) }()
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"comes", func() {
			if err := os.MkdirAll(filepath.Dir(p.Preferences), 0o755); err != nil {
				t.Fatal(err)
			}
			put(t, p.Preferences, privacyXML("<key>logons</key><string>drop</string>"))
		}, "drop"},
		{"changes", func() { put(t, p.Preferences, privacyXML("<key>logons</key><string>day</string>")) }, "day"},
		{"goes", func() { _ = os.Remove(p.Preferences) }, "hour"},
	} {
		step.do()
		select {
		case <-told:
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: not told", step.name)
		}
		if d := decision(t, loader.Load(), "logons"); d.Level.String() != step.want {
			t.Errorf("%s: logons = %s; want %s", step.name, d.Level, step.want)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Watch() = %v; want nil", err)
	}
}

// FuzzPreferences: whatever stands in the store, it is read without a panic within
// its bounds, never passes a floor above it, and faults stop all but health.
func FuzzPreferences(f *testing.F) {
	for _, form := range []string{"xml", "binary"} {
		data, err := os.ReadFile("testdata/preferences/" + form + ".plist")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(privacyXML("<key>preset</key><string>classic</string>")))
	base := loaderOf(nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<14 || string(data) == "!" {
			return
		}
		l := base.over(memory{"/c/agent.yaml": "{}", prefs: string(data)})
		l.paths.Preferences = prefs
		got := l.Load()
		if len(got.Faults) > 0 != got.OnlyHealth || got.OnlyHealth && got.Policy.Level(privacy.Connections) != privacy.Drop {
			t.Errorf("%d faults, only health %v, policy %v; want nothing but health after a fault", len(got.Faults), got.OnlyHealth, got.Policy)
		}
	})
}
