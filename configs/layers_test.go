package configs

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/privacy"
)

func TestWhoDecides(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files memory
		key   string
		want  string // level layer source default bound_by
	}{
		{"nobody", memory{"/c/agent.yaml": "{}"}, "username", "hashed defaults - hashed -"},
		{"the file", memory{"/c/agent.yaml": "privacy:\n  username: cleartext"}, "username", "cleartext file /c/agent.yaml:2 hashed -"},
		{"the file's preset", memory{"/c/agent.yaml": "privacy:\n  preset: classic"}, "username", "cleartext file /c/agent.yaml:2 cleartext -"},
		{"a key beside its preset", memory{"/c/agent.yaml": "privacy:\n  username: drop\n  preset: classic"}, "username", "drop file /c/agent.yaml:2 cleartext -"},
		{"conf.d over the file", memory{"/c/agent.yaml": "privacy: {username: drop}", "/c/conf.d/a.yaml": "privacy: {username: cleartext}"}, "username", "cleartext conf_d /c/conf.d/a.yaml:1 hashed -"},
		{"the later in conf.d", memory{"/c/agent.yaml": "{}", "/c/conf.d/10.yaml": "privacy: {username: cleartext}", "/c/conf.d/9.yaml": "privacy: {username: drop}"}, "username", "drop conf_d /c/conf.d/9.yaml:1 hashed -"},
		{"a preset in conf.d over a key in the file", memory{"/c/agent.yaml": "privacy: {username: drop}", "/c/conf.d/a.yaml": "privacy: {preset: classic}"}, "username", "cleartext conf_d /c/conf.d/a.yaml:1 cleartext -"},
		{"push over conf.d", memory{"/c/agent.yaml": "{}", "/c/conf.d/a.yaml": "privacy: {upn: drop}", "/c/push.yaml": "privacy: {upn: hashed}"}, "upn", "hashed push /c/push.yaml:1 drop -"},
		{"managed over push", memory{"/c/agent.yaml": "{}", "/c/policy.d/a.yaml": "privacy: {upn: drop}", "/c/push.yaml": "privacy: {upn: hashed}"}, "upn", "drop managed /c/policy.d/a.yaml:1 drop -"},
		{"tighten from below", memory{"/c/agent.yaml": "privacy:\n  tighten:\n    upn: drop", "/c/policy.d/a.yaml": "privacy: {upn: cleartext}"}, "upn", "drop file /c/agent.yaml:3 drop tighten"},
		{"the strictest tighten", memory{"/c/agent.yaml": "privacy: {tighten: {logons: day}}", "/c/conf.d/a.yaml": "privacy: {tighten: {logons: drop}}", "/c/policy.d/a.yaml": "privacy: {logons: full}"}, "logons", "drop conf_d /c/conf.d/a.yaml:1 hour tighten"},
		{"tighten cannot loosen", memory{"/c/agent.yaml": "privacy: {upn: drop, tighten: {upn: cleartext}}"}, "upn", "drop file /c/agent.yaml:1 drop -"},
		{"floor over push", memory{"/c/agent.yaml": "privacy_floor: {username: hashed}", "/c/push.yaml": "privacy: {username: cleartext}"}, "username", "hashed file /c/agent.yaml:1 hashed floor"},
		{"floor over its own file", memory{"/c/agent.yaml": "privacy: {username: cleartext}\nprivacy_floor: {username: hashed}"}, "username", "hashed file /c/agent.yaml:2 hashed floor"},
		{"floor that does not bind", memory{"/c/agent.yaml": "privacy: {username: drop}\nprivacy_floor: {username: hashed}"}, "username", "drop file /c/agent.yaml:1 hashed -"},
		{"the highest floor", memory{"/c/agent.yaml": "privacy: {username: cleartext}\nprivacy_floor: {username: drop}", "/c/policy.d/a.yaml": "privacy_floor: {username: hashed}"}, "username", "hashed managed /c/policy.d/a.yaml:1 hashed floor"},
		{"an empty floor is none", memory{"/c/agent.yaml": "privacy: {username: cleartext}\nprivacy_floor: {username: drop}", "/c/policy.d/a.yaml": "privacy_floor: {}"}, "username", "drop file /c/agent.yaml:2 hashed floor"},
		{"floor and tighten alike", memory{"/c/agent.yaml": "privacy: {username: cleartext, tighten: {username: drop}}\nprivacy_floor: {username: drop}"}, "username", "drop file /c/agent.yaml:2 hashed floor"},
		{"tighten below the floor", memory{"/c/agent.yaml": "privacy: {username: cleartext, tighten: {username: drop}}\nprivacy_floor: {username: hashed}"}, "username", "drop file /c/agent.yaml:1 hashed tighten"},
		{"the interval is under the floor", memory{"/c/agent.yaml": "privacy: {summary_interval: minute}\nprivacy_floor: {summary_interval: hour}"}, "summary_interval", "hour file /c/agent.yaml:2 quarter_hour floor"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := decision(t, good(t, loaderOf(tt.files).Load()), tt.key)
			dash := func(s string) string { return map[string]string{"": "-"}[s] + s }
			got := fmt.Sprintf("%s %s %s %s %s", d.Level, d.Layer, dash(d.Source), d.Default, dash(d.BoundBy))
			if got != tt.want {
				t.Errorf("%s = %s; want %s", tt.key, got, tt.want)
			}
		})
	}
}

func TestOutvoted(t *testing.T) {
	linuxPaths(t)
	l := good(t, loaderOf(memory{
		"/c/agent.yaml":      "privacy: {upn: hashed}\nprivacy_floor: {upn: drop}",
		"/c/conf.d/a.yaml":   "privacy: {preset: classic}",
		"/c/policy.d/a.yaml": "privacy: {upn: cleartext}",
	}).Load())
	d := decision(t, l, "upn")
	want := []Outvoted{
		{privacy.Cleartext, "managed", "/c/policy.d/a.yaml:1"},
		{privacy.Drop, "conf_d", "/c/conf.d/a.yaml:1"},
		{privacy.Hashed, "file", "/c/agent.yaml:1"},
	}
	if d.Level != privacy.Drop || !reflect.DeepEqual(d.Outvoted, want) {
		t.Errorf("upn = %s, outvoted %v; want drop, %v", d.Level, d.Outvoted, want)
	}
}

func TestListsUnderTheFloor(t *testing.T) {
	for _, tt := range []struct {
		name, key, set, floor, want, bound string
	}{
		{"longer is stricter", "exclude_programs", "[a]", "[b, a]", "[a, b]", "floor"},
		{"count only", "count_only_programs", "[]", "[b]", "[b]", "floor"},
		{"the floor names less", "exclude_programs", "[a, b]", "[a]", "[a, b]", ""},
		{"every network", "only_networks", "[]", "[10.0.0.0/8]", `["10.0.0.0/8"]`, "floor"},
		{"a part of the floor's", "only_networks", "[10.1.0.0/16]", "[10.0.0.0/8]", `["10.1.0.0/16"]`, ""},
		{"more than the floor's", "only_networks", "['::/0', 0.0.0.0/0]", "[10.0.0.0/8]", `["10.0.0.0/8"]`, "floor"},
		{"nothing in common", "only_networks", "[192.168.0.0/16]", "[10.0.0.0/8]", `["0.0.0.0/32"]`, "floor"},
		{"domains beyond the floor's", "corporate_domains", "[a.example, b.example]", "[b.example]", "[b.example]", "floor"},
		{"networks beyond the floor's", "corporate_networks", "[{label: hq, cidr: 10.0.0.0/8}, {label: lab, cidr: 10.1.0.0/16}]", "[{cidr: 10.0.0.0/8, label: hq}]", `[{label: hq, cidr: "10.0.0.0/8"}]`, "floor"},
		{"a name for one address", "corporate_ssids", "[a]", "[]", "[]", "floor"},
		{"aliases", "realm_aliases", "[]", "[{from: a, to: b}]", "[{from: a, to: b}]", "floor"},
		{"more quiet hours", "quiet.hours", `"19:00-07:00"`, `"12:00-13:00"`, `"19:00-07:00,12:00-13:00"`, "floor"},
		{"quiet weekends", "quiet.weekends", "false", "true", "true", "floor"},
		{"weekends that the floor leaves", "quiet.weekends", "true", "false", "true", ""},
		{"a pause", "pause.allowed", "false", "true", "true", "floor"},
		{"a longer pause", "pause.max", "10m", "1h", "1h", "floor"},
		{"more pauses", "pause.per_day", "9", "4", "9", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nest := func(value string) string {
				if section, leaf, ok := strings.Cut(tt.key, "."); ok {
					return "{" + section + ": {" + leaf + ": " + value + "}}"
				}
				return "{" + tt.key + ": " + value + "}"
			}
			l := good(t, loaderOf(memory{"/c/agent.yaml": "privacy_floor: " + nest(tt.floor), "/c/policy.d/a.yaml": "privacy: " + nest(tt.set)}).Load())
			e, err := l.Explain("privacy." + tt.key)
			if err != nil || e.Value != tt.want || e.BoundBy != tt.bound {
				t.Errorf("%s: %s under the floor %s = %s bound by %q, %v; want %s bound by %q", tt.key, tt.set, tt.floor, e.Value, e.BoundBy, err, tt.want, tt.bound)
			}
			// What explain shows is what holds.
			again := good(t, loadText("privacy: "+nest(e.Value)))
			if a, b := again.Settings.Privacy, l.Settings.Privacy; !reflect.DeepEqual(a, b) {
				t.Errorf("settings = %+v; want %+v as explained", b, a)
			}
		})
	}
}

func TestTypedValues(t *testing.T) {
	linuxPaths(t)
	l := good(t, loadText(`
gateway: {address: "[::1]:8443", proxy: "http://proxy.example:3128", ca_file: /etc/discreet/ca.pem}
device: {asset_id: "4711", tags: [berlin, sales]}
privacy:
  corporate_domains: [CORP.example.com]
  corporate_ssids: [CORP-WIFI]
  corporate_networks: [{label: hq, cidr: 10.20.0.0/16}, {label: v6, cidr: 2001:db8::/32}]
  realm_aliases: [{from: CORP, to: corp.example.com}]
  exclude_programs: [a]
  count_only_programs: [/opt/b/*]
  only_networks: [10.0.0.0/8]
  quiet: {hours: 19:00-07:00, weekends: true}
  pause: {allowed: true, max: 1h30m}
  statement: {set_by: IT and works council}
collectors: {process: {rung: ebpf}, focus: {enabled: false}}
spool: {max_bytes: 512MiB, max_age: 7d, min_free: 0KiB}
`))
	s := l.Settings
	want := Defaults()
	want.Gateway = Uplink{Address: "[::1]:8443", Proxy: "http://proxy.example:3128", CAFile: "/etc/discreet/ca.pem"}
	want.Device = Device{"4711", []string{"berlin", "sales"}}
	want.Privacy.CorporateDomains = []string{"corp.example.com"}
	want.Privacy.CorporateSSIDs = []string{"CORP-WIFI"}
	want.Privacy.CorporateNetworks = []Network{{"hq", netip.MustParsePrefix("10.20.0.0/16")}, {"v6", netip.MustParsePrefix("2001:db8::/32")}}
	want.Privacy.RealmAliases = []Alias{{"CORP", "corp.example.com"}}
	want.Privacy.ExcludePrograms, want.Privacy.CountOnlyPrograms = []string{"a"}, []string{"/opt/b/*"}
	want.Privacy.OnlyNetworks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	want.Privacy.Quiet = Quiet{[]Window{{19 * 60, 7 * 60}}, true}
	want.Privacy.Pause = Pause{true, 90 * time.Minute, 4}
	want.Privacy.Statement.SetBy = "IT and works council"
	want.Collectors["process"] = Collector{true, "ebpf"}
	want.Collectors["focus"] = Collector{false, "auto"}
	want.Spool = Spool{512 << 20, 7 * 24 * time.Hour, 0, 5 * time.Second}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("Settings = %+v; want %+v", s, want)
	}
	if got := s.Collectors["process"].Rung().String() + s.Collectors["focus"].Rung().String(); got != "RUNG_EBPFRUNG_UNSPECIFIED" {
		t.Errorf("rungs = %s; want RUNG_EBPF and RUNG_UNSPECIFIED", got)
	}
	wantCtx := privacy.Context{
		RealmAliases: []privacy.Alias{{From: "CORP", To: "corp.example.com"}}, CorporateDomains: []string{"corp.example.com"}, CorporateSSIDs: []string{"CORP-WIFI"},
		CorporateNetworks: []privacy.Network{{Label: "hq", CIDR: netip.MustParsePrefix("10.20.0.0/16")}, {Label: "v6", CIDR: netip.MustParsePrefix("2001:db8::/32")}},
		ExcludePrograms:   []string{"a"}, CountOnlyPrograms: []string{"/opt/b/*"}, OnlyNetworks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	}
	if got := s.Context(); !reflect.DeepEqual(got, wantCtx) {
		t.Errorf("Context() = %+v; want %+v", got, wantCtx)
	}
}

func TestQuiet(t *testing.T) {
	q := Quiet{[]Window{{19 * 60, 7 * 60}, {12 * 60, 13 * 60}}, true}
	for at, want := range map[string]bool{
		"2026-11-24T18:59": false, "2026-11-24T19:00": true, "2026-11-25T06:59": true, "2026-11-25T07:00": false,
		"2026-11-24T12:30": true, "2026-11-24T13:00": false, "2026-11-28T10:00": true, "2026-11-29T10:00": true,
	} {
		when, err := time.Parse("2006-01-02T15:04", at)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.At(when); got != want {
			t.Errorf("At(%s) = %v; want %v", at, got, want)
		}
	}
}

func TestFlushIsAtMostTheInterval(t *testing.T) {
	l := good(t, loadText("privacy: {summary_interval: minute}\nsummary: {flush: 5m}"))
	e, _ := l.Explain("summary.flush")
	if l.Settings.Summary.Flush != time.Minute || e.Value != "1m" || e.BoundBy != "summary_interval" {
		t.Errorf("flush = %v, explained as %+v; want 1m bound by summary_interval", l.Settings.Summary.Flush, e)
	}
}

func TestLint(t *testing.T) {
	linuxPaths(t)
	for _, tt := range []struct{ name, text, want string }{
		{"balanced", "{}", "privacy.destinations privacy.pseudonym"},
		{"strict", "privacy: {preset: strict, pseudonym: {tenant_key_file: /k}}", ""},
		{"clear device", "privacy: {device_name: cleartext, domains: list, pseudonym: {officer_key_file: /k}}", "privacy.device_name"},
		{"clear serial", "privacy: {device_serial: cleartext, destinations: prefix, pseudonym: {officer_key_file: /k}}", "privacy.device_serial"},
		{"sealed without a key", "privacy: {preset: strict, pseudonym: {mode: sealed}}", "privacy.pseudonym.officer_key_file"},
		{"tenant key without a file", "privacy: {preset: strict, pseudonym: {mode: tenant_key}}", "privacy.pseudonym.tenant_key_file"},
		{"nothing hashed", "privacy: {preset: strict, username: drop, device_name: drop}", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var keys []string
			for _, w := range good(t, loadText(tt.text)).Warnings {
				keys = append(keys, w.Key)
			}
			if got := strings.Join(keys, " "); got != tt.want {
				t.Errorf("warnings = %s; want %s", got, tt.want)
			}
		})
	}
}

func TestExplainEveryKey(t *testing.T) {
	sample := string(AgentYAML(SystemPlaces()))
	l := good(t, loadText(uncomment(sample)))
	keys := l.Keys()
	if len(keys) < 80 {
		t.Fatalf("Keys() = %d; want all", len(keys))
	}
	lines := strings.Split(uncomment(sample), "\n")
	for _, k := range keys {
		e, err := l.Explain(k)
		if err != nil || e.Meaning == "" || e.Value == "" || e.Default == "" {
			t.Errorf("Explain(%s) = %+v, %v; want value, default and meaning", k, e, err)
			continue
		}
		if e.Value == "{}" {
			continue // constraints that nobody set
		}
		var line int
		if _, err := fmt.Sscanf(e.Source, "/c/agent.yaml:%d", &line); err != nil || e.Layer != "file" {
			t.Errorf("Explain(%s) = from %s %s; want a line of the file", k, e.Layer, e.Source)
			continue
		}
		word := k[strings.LastIndexByte(k, '.')+1:]
		if !strings.HasPrefix(strings.TrimSpace(lines[line-1]), word+":") {
			t.Errorf("Explain(%s) = line %d, %q; want its own line", k, line, lines[line-1])
		}
	}
}

func TestExplain(t *testing.T) {
	linuxPaths(t)
	l := loaderOf(memory{
		"/c/agent.yaml":      "spool:\n  max_bytes: 1GiB\nprivacy: {username: cleartext, tighten: {logons: drop}}\nprivacy_floor: {username: hashed, exclude_programs: [a], quiet: {weekends: true}}",
		"/c/policy.d/a.yaml": "spool: {max_bytes: 512MiB}",
		"/c/policy.d/b.yaml": "privacy: {username: 3}",
	}).Load()
	for _, tt := range []struct{ key, want string }{
		{"spool.max_bytes", "spool.max_bytes = 512MiB\n  from:     managed /c/policy.d/a.yaml:1\n  default:  256MiB\n  meaning:  at most this much; then the oldest goes, counted\n  outvoted: 1GiB from file /c/agent.yaml:2\n"},
		{"username", "refused:  /c/policy.d/b.yaml:1:21: privacy.username: 3, want one of drop, hashed, cleartext\n  note:     nothing but health leaves"},
		{"privacy.tighten", "privacy.tighten = {logons: drop}\n  from:     file /c/agent.yaml:3\n"},
		{"privacy_floor", "privacy_floor = {username: hashed, exclude_programs: [a], quiet: {weekends: true}}\n  from:     file /c/agent.yaml:4\n"},
		{"run_dir", "from:     defaults\n"},
	} {
		e, err := l.Explain(tt.key)
		if err != nil || !strings.Contains(e.String(), tt.want) {
			t.Errorf("Explain(%s) = %s, %v; want %s", tt.key, e, err, tt.want)
		}
	}
	for key, want := range map[string]string{"spool.max_byte": "did you mean spool.max_bytes?", "spool": "is a section", "rung": "did you mean collectors.process.rung?", "x": "lists every key", "privacy_floor.username": "unknown"} {
		if _, err := l.Explain(key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Explain(%s) = %v; want %s", key, err, want)
		}
	}
}

// TestYAMLMeansTheSame lays what "config show" prints in the place of all files.
func TestYAMLMeansTheSame(t *testing.T) {
	l := good(t, loaderOf(memory{
		"/c/agent.yaml":      "privacy: {preset: classic, exclude_programs: [a, 'b: \"c\"'], quiet: {hours: 12:00-13:00}, tighten: {logons: day}}\nsummary: {flush: 1h}\nlog: {level: debug}",
		"/c/policy.d/a.yaml": "privacy_floor: {username: hashed, quiet: {hours: 19:00-07:00}, only_networks: [10.0.0.0/8]}",
	}).Load())
	again := good(t, loadText(string(l.YAML())))
	if again.Policy != l.Policy || !reflect.DeepEqual(again.Settings, l.Settings) || !reflect.DeepEqual(again.Floor, l.Floor) {
		t.Errorf("loading\n%s= %+v; want %+v", l.YAML(), again.Settings, l.Settings)
	}
}

func TestShowJSON(t *testing.T) {
	linuxPaths(t)
	l := good(t, loaderOf(memory{
		"/c/agent.yaml":      "privacy:\n  preset: strict\n  user_activity: full\n  statement: {set_by: works council}\n",
		"/c/policy.d/a.yaml": "privacy_floor: {user_activity: day}",
	}).Load())
	var got map[string]any
	if err := json.Unmarshal(l.ShowJSON(), &got); err != nil {
		t.Fatal(err)
	}
	keys := got["keys"].(map[string]any)
	if len(got) != 5 || len(keys) != int(privacy.NumKeys) {
		t.Errorf("ShowJSON() has %d parts and %d keys; want 5 and %d", len(got), len(keys), privacy.NumKeys)
	}
	want := map[string]any{"level": "day", "layer": "managed", "source": "/c/policy.d/a.yaml:1", "default": "drop", "bound_by": "floor"}
	if !reflect.DeepEqual(keys["user_activity"], want) {
		t.Errorf("user_activity = %v; want %v", keys["user_activity"], want)
	}
	sum := l.Policy.Digest()
	if got["preset"] != "strict" || got["set_by"] != "works council" || got["digest"] != fmt.Sprintf("%x", sum) || !reflect.DeepEqual(got["floor"], map[string]any{"user_activity": "day"}) {
		t.Errorf("ShowJSON() = %s; want strict, its digest, works council and the floor", l.ShowJSON())
	}
}
