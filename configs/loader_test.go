package configs

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/privacy"
)

// put writes a file that only its owner can write, with its folder.
func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func userLevel(t *testing.T, l *Loaded) string { return decision(t, l, "username").Level.String() }

func TestLastGoodForm(t *testing.T) {
	for _, tt := range []struct{ name, file, broken string }{
		{"file, not YAML", "/c/agent.yaml", "privacy: {username: "},
		{"file, cut off", "/c/agent.yaml", ""},
		{"file, unknown level", "/c/agent.yaml", "privacy: {username: clear}"},
		{"file, not readable", "/c/agent.yaml", "!"},
		{"conf.d", "/c/conf.d/a.yaml", "privacy: {Username: cleartext}"},
		{"push", "/c/push.yaml", "privacy: {username: true}"},
		{"managed", "/c/policy.d/a.yaml", "privacy: null"},
		{"folder of managed, not readable", "/c/policy.d", "!"},
		{"folder conf.d, not readable", "/c/conf.d", "!"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := tt.file
			if !strings.HasSuffix(file, ".yaml") {
				file += "/a.yaml"
			}
			m := memory{"/c/agent.yaml": "privacy: {preset: classic}"}
			m[file] = "privacy: {preset: classic, username: drop}"
			l := loaderOf(m)
			good(t, l.Load())
			m[tt.file] = tt.broken
			got := l.Load()
			if got.OnlyHealth || !got.Degraded || len(got.Faults) == 0 || userLevel(t, got) != "drop" {
				t.Errorf("after the fault username = %s, only health %v, degraded %v; want drop from the last good form", userLevel(t, got), got.OnlyHealth, got.Degraded)
			}
			// Without a last good form nothing leaves.
			if got := loaderOf(m).Load(); !got.OnlyHealth || got.Policy != nothing() {
				t.Errorf("at first start: only health %v, policy %s; want nothing", got.OnlyHealth, got.Policy.Lines())
			}
			// Mended.
			if tt.file != file {
				delete(m, tt.file)
			}
			m[file] = "privacy: {preset: classic, username: hashed}"
			if got := good(t, l.Load()); userLevel(t, got) != "hashed" {
				t.Errorf("mended: username = %s; want hashed", userLevel(t, got))
			}
		})
	}
}

func TestTightenOfABrokenFileHolds(t *testing.T) {
	m := memory{"/c/agent.yaml": "privacy: {preset: classic}"}
	l := loaderOf(m)
	good(t, l.Load())
	m["/c/agent.yaml"] = "privacy:\n  preset: nonsense\n  tighten: {username: drop, logons: sometimes, user_activity: day, user_activity: hour}\n"
	got := l.Load()
	for key, want := range map[string]string{"username": "drop tighten /c/agent.yaml:3", "user_activity": "day tighten /c/agent.yaml:3", "logons": "full  /c/agent.yaml:1"} {
		d := decision(t, got, key)
		if s := d.Level.String() + " " + d.BoundBy + " " + d.Source; s != want {
			t.Errorf("%s = %s; want %s", key, s, want)
		}
	}
	if len(got.Faults) != 3 {
		t.Errorf("faults:\n%s\nwant 3", faultTexts(got.Faults))
	}
}

func TestRemovedFileIsForgotten(t *testing.T) {
	m := memory{"/c/agent.yaml": "{}", "/c/conf.d/a.yaml": "privacy: {username: drop}"}
	l := loaderOf(m)
	good(t, l.Load())
	delete(m, "/c/conf.d/a.yaml")
	if got := good(t, l.Load()); userLevel(t, got) != "hashed" {
		t.Errorf("username = %s; want hashed: the file is gone", userLevel(t, got))
	}
	m["/c/conf.d/a.yaml"] = "nonsense"
	if got := l.Load(); !got.OnlyHealth {
		t.Error("a broken file came back as its last good form; want it forgotten with the file")
	}
	delete(m, "/c/conf.d/a.yaml")
	delete(m, "/c/agent.yaml")
	if got := l.Load(); got.OnlyHealth || len(got.Faults) != 1 || !got.Degraded {
		t.Errorf("without the main file: only health %v, %s; want one fault and the last good form", got.OnlyHealth, faultTexts(got.Faults))
	}
}

func TestMainFileMissing(t *testing.T) {
	p := AgentPathsFor(filepath.Join(t.TempDir(), "agent.yaml"))
	if l := LoadAgent(p); !l.OnlyHealth || len(l.Faults) != 1 || !strings.Contains(l.Faults[0].String(), "no such file; hint:") {
		t.Errorf("missing: only health %v, %s; want a fault with a way out", l.OnlyHealth, faultTexts(l.Faults))
	}
	p.Optional = true
	if l := good(t, LoadAgent(p)); userLevel(t, l) != "hashed" {
		t.Errorf("missing and optional: username = %s; want hashed", userLevel(t, l))
	}
	p.File = t.TempDir()
	if l := LoadAgent(p); len(l.Faults) != 1 || !strings.Contains(l.Faults[0].Text, "not a regular file") {
		t.Errorf("a folder: %s; want a fault", faultTexts(l.Faults))
	}
}

func TestLastGoodFormOverARestart(t *testing.T) {
	dir := t.TempDir()
	p, state := AgentPathsFor(filepath.Join(dir, "agent.yaml")), filepath.Join(dir, "state", "settings")
	put(t, p.File, "privacy: {username: drop}")
	put(t, filepath.Join(p.ConfDir, "a.yaml"), "privacy: {upn: hashed}")
	good(t, NewLoader(p, state).Load())
	kept, err := filepath.Glob(filepath.Join(state, "*"))
	if err != nil || len(kept) != 2 {
		t.Fatalf("kept %v, %v; want two files", kept, err)
	}
	for _, f := range kept {
		if st, err := os.Stat(f); err != nil || runtime.GOOS != "windows" && st.Mode() != 0o600 {
			t.Errorf("mode of %s = %v, %v; want 0600", f, st.Mode(), err)
		}
	}
	put(t, p.File, "privacy: {username: ")
	got := NewLoader(p, state).Load()
	if got.OnlyHealth || !got.Degraded || userLevel(t, got) != "drop" {
		t.Errorf("restart with a broken file: username = %s, only health %v; want drop from the last good form", userLevel(t, got), got.OnlyHealth)
	}
	// A kept form that others could write is not believed.
	if runtime.GOOS != "windows" {
		for _, f := range kept {
			if err := os.Chmod(f, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if got := NewLoader(p, state).Load(); !got.OnlyHealth {
			t.Error("a kept form that anybody can write was used")
		}
	}
	put(t, p.File, "{}")
	if err := os.RemoveAll(p.ConfDir); err != nil {
		t.Fatal(err)
	}
	good(t, NewLoader(p, state).Load())
	if kept, _ := filepath.Glob(filepath.Join(state, "*")); len(kept) != 1 {
		t.Errorf("kept %v; want the removed file forgotten", kept)
	}
}

func TestWritableByOthers(t *testing.T) {
	if writableFault("f", 0o666) == nil {
		t.Skip("Windows: modes say nothing about who can write; the access list of the settings folder does")
	}
	p := AgentPathsFor(filepath.Join(t.TempDir(), "agent.yaml"))
	put(t, p.File, "privacy: {username: cleartext}")
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o644: false, 0o664: true, 0o646: true} {
		if err := os.Chmod(p.File, mode); err != nil {
			t.Fatal(err)
		}
		l := LoadAgent(p)
		if refused := len(l.Faults) == 1 && strings.Contains(l.Faults[0].String(), "hint: chmod go-w "+p.File); refused != want || l.OnlyHealth != want {
			t.Errorf("mode %v: only health %v, %s; want refused %v", mode, l.OnlyHealth, faultTexts(l.Faults), want)
		}
	}
}

func TestOtherNamesInTheFolder(t *testing.T) {
	linuxPaths(t)
	l := good(t, loaderOf(memory{"/c/agent.yaml": "{}", "/c/conf.d/a.yml": "privacy: {username: drop}", "/c/conf.d/.b.yaml": "x", "/c/conf.d/c.yaml~": "x", "/c/conf.d/README": "x"}).Load())
	if userLevel(t, l) != "hashed" || !strings.Contains(l.Warnings[0].String(), "/c/conf.d/a.yml: not read; hint: rename") {
		t.Errorf("username = %s, warnings %v; want a.yml warned of and not read", userLevel(t, l), l.Warnings)
	}
}

func TestApplyOverrides(t *testing.T) {
	linuxPaths(t)
	l := loaderOf(memory{"/c/agent.yaml": "log: {level: warn}\nspool: {max_bytes: 1GiB}", "/c/policy.d/a.yaml": "summary: {flush: 1m}"})
	err := l.ApplyOverrides(map[string]string{"log.level": "debug", "summary.flush": "2s", "state_dir": "/tmp/x", "collectors.wifi.enabled": "false", "device.tags": "[a, b]", "device.asset_id": "4711"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := good(t, l.Load()).Settings
		if s.Log.Level != "debug" || s.Summary.Flush != 2*time.Second || s.StateDir != "/tmp/x" || s.Collectors["wifi"].Enabled || len(s.Device.Tags) != 2 || s.Device.AssetID != "4711" || s.Spool.MaxBytes != 1<<30 {
			t.Errorf("settings = %+v; want the overrides over the files", s)
		}
	}
	if e, _ := l.Load().Explain("log.level"); e.Layer != "flags" || len(e.Outvoted) != 1 || e.Outvoted[0].Value != "warn" {
		t.Errorf("Explain(log.level) = %+v; want flags over warn", e)
	}
	for key, value := range map[string]string{
		"privacy.username": "cleartext", "privacy.preset": "classic", "privacy.tighten.upn": "drop", "PRIVACY.username": "cleartext",
		"privacy_floor.username": "cleartext", "privacy": "{}", "privacy.pause.allowed": "true", "schema": "2", "username": "cleartext", "log": "{}",
		"log.level": "loud", "spool.flush": "5", "device.tags": "[a", "collectors.wifi.enabled": "no", "nonsense": "1",
	} {
		if err := l.ApplyOverrides(map[string]string{key: value, "log.level": "info"}); key != "log.level" && err == nil {
			t.Errorf("ApplyOverrides(%s=%s) = nil; want an error", key, value)
		}
	}
	if got := l.Load(); got.Settings.Log.Level != "info" && got.Settings.Log.Level != "debug" || userLevel(t, got) != "hashed" {
		t.Errorf("after refusals: %s, %s; want nothing changed", got.Settings.Log.Level, userLevel(t, got))
	}
}

func TestLoadGateway(t *testing.T) {
	linuxPaths(t)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if g, faults := LoadGateway(file); len(faults) != 1 || g != GatewayDefaults() {
		t.Errorf("missing: %+v, %s; want a fault", g, faultTexts(faults))
	}
	put(t, file, "listen: 127.0.0.1:0\ndata_dir: /srv/d\nretention: 90d\nlimits: {max_batch_bytes: 2MiB}\n")
	want := GatewayDefaults()
	want.Listen, want.DataDir, want.CADir, want.Retention, want.Limits.MaxBatchBytes = "127.0.0.1:0", "/srv/d", "/srv/d/ca", 90*24*time.Hour, 2<<20
	if g, faults := LoadGateway(file); len(faults) != 0 || g != want {
		t.Errorf("LoadGateway() = %+v, %s; want %+v", g, faultTexts(faults), want)
	}
	put(t, file, "listen: 8443\ndatadir: /srv/d\nretention: 30\nlimits: {window_batches: 0}\n")
	if g, faults := LoadGateway(file); len(faults) != 4 || g != GatewayDefaults() {
		t.Errorf("LoadGateway() = %+v, %s; want 4 faults and the defaults", g, faultTexts(faults))
	}
	shipped, _ := Files.ReadFile("gateway.yaml")
	put(t, file, string(shipped))
	if g, faults := LoadGateway(file); SystemPlaces() == LinuxPlaces() && (len(faults) != 0 || g != GatewayDefaults()) {
		t.Errorf("shipped gateway.yaml = %+v, %s; want the defaults", g, faultTexts(faults))
	}
}

// FuzzLoad: whatever stands in a file, nothing is laxer than the floor above it
// or than the tighten entries beside it, and a file with a fault lets nothing
// through.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"{}", "privacy: {preset: classic, username: cleartext}\n", "privacy:\n  tighten: {upn: hashed}\nprivacy_floor: {username: cleartext, only_networks: [10.0.0.0/8]}",
		"schema: 9\nprivacy: {username: off, x: [1, {a: b}]}", "a: &a [*a]\n", "privacy: {quiet: {hours: 19:00-07:00}, corporate_networks: [{label: a, cidr: ::/0}]}", "? {a: b}\n: c\n", "--- !!map {}\n---\n", string(AgentYAML(LinuxPlaces()))[:2000]} {
		f.Add([]byte(seed))
	}
	const above = "privacy_floor: {username: hashed, upn: drop, destinations: prefix, domains: list, user_activity: day, logons: day, focus_time: drop, summary_interval: hour, only_networks: [10.0.0.0/8], exclude_programs: [x]}"
	floor := map[privacy.Key]privacy.Level{privacy.Username: privacy.Hashed, privacy.UPN: privacy.Drop, privacy.Destinations: privacy.Prefix, privacy.Domains: privacy.List,
		privacy.UserActivity: privacy.Day, privacy.Logons: privacy.Day, privacy.FocusTime: privacy.Drop, privacy.SummaryInterval: privacy.Hour}
	base := loaderOf(nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 || string(data) == "!" {
			return
		}
		for _, at := range []string{"/c/agent.yaml", "/c/push.yaml"} {
			m := memory{"/c/agent.yaml": "privacy: {preset: classic}", "/c/policy.d/a.yaml": above}
			m[at] = string(data)
			l := base.over(m).Load()
			for k, least := range floor {
				if got := l.Policy.Level(k); got > least {
					t.Fatalf("%s = %s; want at most %s", k, got, least)
				}
			}
			if n := l.Settings.Privacy; len(n.OnlyNetworks) == 0 || len(n.ExcludePrograms) == 0 {
				t.Fatalf("lists = %+v; want them no laxer than the floor", n)
			}
			if len(l.Faults) > 0 && (!l.OnlyHealth || l.Policy != nothing()) {
				t.Fatalf("with faults: only health %v, policy %s; want nothing", l.OnlyHealth, l.Policy.Lines())
			}
			for _, fault := range l.Faults {
				if fault.File != at || fault.Line > strings.Count(string(data), "\n")+5 { // a bundle has lines of its own
					t.Fatalf("fault at %s:%d; want it inside %s", fault.File, fault.Line, at)
				}
			}
			l.ShowJSON()
			// What is shown as effective is itself without a fault.
			if shown := base.over(memory{"/c/agent.yaml": string(l.YAML())}).Load(); len(l.Faults) == 0 && len(shown.Faults) > 0 && !strings.Contains(shown.Faults[0].Text, "beside hashed people") {
				t.Fatalf("effective settings have faults:\n%s\n%s", faultTexts(shown.Faults), l.YAML())
			}
		}
	})
}

// over returns a new Loader that shares the table, which is dear to make.
func (l *Loader) over(m memory) *Loader {
	return &Loader{paths: l.paths, table: l.table, index: l.index, base: l.base, disk: &signing{memory: m}, now: l.now, boot: l.boot, pinned: l.pinned, forms: map[string]*layer{}}
}

func BenchmarkLoad(b *testing.B) {
	p := AgentPathsFor(filepath.Join(b.TempDir(), "agent.yaml"))
	if err := os.WriteFile(p.File, AgentYAML(SystemPlaces()), 0o600); err != nil {
		b.Fatal(err)
	}
	l := NewLoader(p, "")
	b.ReportAllocs()
	for b.Loop() {
		if got := l.Load(); got.Degraded {
			b.Fatal(faultTexts(got.Faults))
		}
	}
}
