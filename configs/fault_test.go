package configs

import (
	"strings"
	"testing"

	"github.com/discreet-agent/discreet/privacy"
)

// TestRefused holds what viper alone takes wrongly and what else must not pass:
// each gives a fault at the right place, and nothing but health then leaves.
func TestRefused(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "gateway: {adress: a:1}", `:1:11: gateway.adress: unknown key; hint: did you mean gateway.address?`},
		{"unknown privacy key", "privacy:\n  usernmae: hashed", `:2:3: privacy.usernmae: unknown key; hint: did you mean privacy.username?`},
		{"privacy key at the root", "username: drop", `:1:1: username: unknown key; hint: did you mean privacy.username?`},
		{"empty text as a level", "privacy:\n  username: ''", `:2:13: privacy.username: "", want one of drop, hashed, cleartext`},
		{"number as a level", "privacy:\n  username: 2", `:2:13: privacy.username: 2, want one of`},
		{"number in quotes as a level", "privacy:\n  username: '1'", `:2:13: privacy.username: "1", want one of`},
		{"yes as a level", "privacy:\n  username: yes", `:2:13: privacy.username: "yes", want one of`},
		{"true as a level", "privacy:\n  username: true", `:2:13: privacy.username: true, want one of`},
		{"null as a level", "privacy:\n  username: null", `:2:13: privacy.username: no value, want one of`},
		{"nothing as a level", "privacy:\n  username:\n  upn: drop", `:2:12: privacy.username: no value, want one of`},
		{"list as a level", "privacy:\n  username: [hashed]", `:2:13: privacy.username: a list, want one of`},
		{"unknown level", "privacy:\n  username: hash", `:2:13: privacy.username: "hash", want one of drop, hashed, cleartext; hint: did you mean hashed?`},
		{"level of another key", "privacy:\n  username: prefix", `:2:13: privacy.username: "prefix", want one of`},
		{"level in another case", "privacy:\n  username: Hashed", `:2:13: privacy.username: "Hashed", want one of`},
		{"false where nothing can be dropped", "privacy:\n  program_name: false", `:2:17: privacy.program_name: false, want one of generalised, cleartext`},
		{"key in another case", "privacy:\n  Username: hashed", `:2:3: privacy.Username: differs from the key username only in case; hint: did you mean privacy.username?`},
		{"both cases", "privacy:\n  username: hashed\n  Username: cleartext", `:3:3: privacy.Username: differs`},
		{"key twice", "privacy:\n  username: hashed\n  upn: drop\n  username: cleartext", `:4:3: privacy.username: stands here again, after line 2; want it once`},
		{"section twice", "spool: {}\nlog: {}\nspool: {}", `:3:1: spool: stands here again`},
		{"dotted key", "privacy.username: drop", `:1:1: privacy.username: unknown key`},
		{"map by domain", "privacy:\n  corporate_domains: {corp.example.com: drop}", `:2:22: privacy.corporate_domains: not a list, want one`},
		{"bare number as a duration", "spool:\n  flush: 30", `:2:10: spool.flush: 30, want a duration with s, m, h or d`},
		{"unknown unit", "spool:\n  flush: 300ms", `:2:10: spool.flush: "300ms", want a duration`},
		{"duration out of bounds", "spool:\n  flush: 2d", `:2:10: spool.flush: "2d", want 1s to 1h`},
		{"bare number as a size", "spool:\n  max_bytes: 5000000", `:2:14: spool.max_bytes: 5000000, want a size with KiB, MiB or GiB`},
		{"decimal unit", "spool:\n  max_bytes: 256MB", `hint: did you mean 256MiB?`},
		{"text for a section", "privacy: nonsense", `:1:10: privacy: a single value, want a map of keys`},
		{"null for a section", "privacy:\nspool: {}", `:1:9: privacy: no value, want a map of keys; hint: write {}`},
		{"second document", "log: {}\n---\nprivacy: {username: cleartext}", `:2:1: a second document, want one`},
		{"text for a list", "privacy:\n  exclude_programs: a,b", `:2:21: privacy.exclude_programs: not a list, want one; hint: write [a,b]`},
		{"number in a list", "privacy:\n  exclude_programs: [a, 1]", `:2:25: privacy.exclude_programs[1]: 1, want text of 1 to 255 bytes; hint: put it in quotes`},
		{"yes as a boolean", "privacy: {pause: {allowed: yes}}", `:1:28: privacy.pause.allowed: "yes", want true or false`},
		{"one as a boolean", "privacy: {pause: {allowed: 1}}", `:1:28: privacy.pause.allowed: 1, want true or false`},
		{"octal number", "privacy: {pause: {per_day: 010}}", `privacy.pause.per_day: 010, want a whole number`},
		{"number for text", "device: {asset_id: 4711}", `:1:20: device.asset_id: a value that is not accepted, want text of 1 to 128 bytes; hint: put it in quotes`},
		{"quiet hours as YAML 1.1 leaves them", "privacy: {quiet: {hours: 1140}}", `:1:26: privacy.quiet.hours: 1140, want hours like "19:00-07:00"`},
		{"quiet hours of no length", "privacy: {quiet: {hours: 19:00-19:00}}", `want hours like`},
		{"address without a port", "gateway: {address: gw.example}", `:1:20: gateway.address: "gw.example", want host:port`},
		{"credentials in the proxy", "gateway: {proxy: 'http://u:secret@p:1'}", `:1:18: gateway.proxy: a value that is not accepted, want a URL`},
		{"relative path", "state_dir: discreet", `:1:12: state_dir: "discreet", want an absolute path`},
		{"no state folder", "state_dir: ''", `:1:12: state_dir: "", want an absolute path`},
		{"address inside a range", "privacy: {only_networks: [10.1.2.3/8]}", `hint: did you mean 10.0.0.0/8?`},
		{"label in capitals", "privacy: {corporate_networks: [{label: HQ, cidr: 10.0.0.0/8}]}", `privacy.corporate_networks[0].label: "HQ", want 1 to 32 lower-case letters`},
		{"network without a range", "privacy: {corporate_networks: [{label: hq}]}", `:1:32: privacy.corporate_networks[0].cidr: missing`},
		{"wildcard domain", "privacy: {corporate_domains: ['*.corp.example']}", `privacy.corporate_domains[0]: "*.corp.example", want a name like`},
		{"anchor", "spool: &a {}\nlog: {}", `:1:8: an anchor, want plain values`},
		{"alias", "spool: &a {}\nlog: *a", `:2:6: an alias, want the value itself`},
		{"alias of nothing", "log: *a", `an alias, want the value itself`},
		{"merge key", "spool: {<<: {flush: 5s}}", `:1:9: a merge key, want plain keys`},
		{"anchor bomb", bomb(), `an anchor`},
		{"tag", "privacy: {username: !!str hashed}", `:1:21: the tag "!!str", want plain values`},
		{"root is a list", "- privacy", `:1:1: a list, want a map of keys`},
		{"root is text", "privacy", `:1:1: a single value, want a map of keys`},
		{"empty", "", `no settings in it`},
		{"comments only", "# The settings\n", `no settings in it`},
		{"not YAML", "privacy: {username: hashed", `not YAML`},
		{"tab", "privacy:\n\tusername: hashed", `:2:1: not YAML`},
		{"not UTF-8", "privacy: {}\n# \xff", `:2:3: not UTF-8`},
		{"too large", "# " + strings.Repeat("x", maxFile), `larger than 1 MiB`},
		{"key that is no text", "1: 2", `a key that is not text`},
		{"schema as text", "schema: '1'", `:1:9: schema: "1", want a whole number`},
		{"lists in the floor that have no direction", "privacy_floor: {statement: {}}", `:1:17: privacy_floor.statement: unknown key`},
		{"loose word in tighten", "privacy: {tighten: {upn: full}}", `privacy.tighten.upn: "full", want one of drop, hashed, cleartext`},
		{"strict beside a clear device", "privacy:\n  preset: strict\n  device_name: cleartext", `:3:16: privacy.device_name: cleartext beside hashed people`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := loadText(tt.text)
			got := faultTexts(l.Faults)
			if !strings.HasPrefix(got, "/c/agent.yaml:") || !strings.Contains(got, tt.want) {
				t.Errorf("Load(%.80q).Faults = %s; want %s", tt.text, got, tt.want)
			}
			if strings.Contains(got, "secret") || strings.Contains(got, "4711") {
				t.Errorf("Load(%q).Faults = %s; want no private value", tt.text, got)
			}
			if !l.OnlyHealth || !l.Degraded || l.Policy != nothing() {
				t.Errorf("Load(%.80q) = only health %v, policy %s; want only health, nothing let through", tt.text, l.OnlyHealth, l.Policy.Lines())
			}
		})
	}
}

// nothing returns the strictest policy as the loader writes it.
func nothing() privacy.Policy { return privacy.Strictest(privacy.Policy{}, privacy.Policy{}) }

func bomb() string {
	text := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'z'; c++ {
		p := string(c - 1)
		text += string(c) + ": &" + string(c) + " [*" + strings.Join(strings.Split(strings.Repeat(p, 9), ""), ",*") + "]\n"
	}
	return text
}

func TestAllFaultsAtOnce(t *testing.T) {
	l := loadText("gateway:\n  adress: a:1\nprivacy:\n  username: 'no'\n  Upn: drop\n  wifi_ssid: plain\ncollectors:\n  wifi:\n    enabled: 1\nspool: {flush: 30}\n")
	want := []struct{ line, col int }{{2, 3}, {4, 13}, {5, 3}, {6, 14}, {9, 14}, {10, 16}}
	if len(l.Faults) != len(want) {
		t.Fatalf("Load() = %d faults:\n%s\nwant %d", len(l.Faults), faultTexts(l.Faults), len(want))
	}
	for i, w := range want {
		if f := l.Faults[i]; f.Line != w.line || f.Col != w.col {
			t.Errorf("fault %d = %s; want it at %d:%d", i, f, w.line, w.col)
		}
	}
}

func TestFaultsAreBounded(t *testing.T) {
	l := loadText("privacy: {exclude_programs: [" + strings.Repeat("1,", 5000) + "]}")
	if len(l.Faults) != maxFaults+1 || !strings.Contains(l.Faults[maxFaults].Text, "4900 more") {
		t.Errorf("5000 mistakes = %d faults, last %s; want %d and the rest counted", len(l.Faults), l.Faults[len(l.Faults)-1], maxFaults+1)
	}
}

// TestDropIsSpelledInThreeWays: YAML 1.1 tools rewrite off as false.
func TestDropIsSpelledInThreeWays(t *testing.T) {
	for _, word := range []string{"drop", "off", "false", "False", `"off"`} {
		l := good(t, loadText("privacy: {preset: classic, username: "+word+"}"))
		if d := decision(t, l, "username"); d.Level != privacy.Drop {
			t.Errorf("username: %s = %s; want drop", word, d.Level)
		}
	}
}

func TestNewerSchema(t *testing.T) {
	l := good(t, loadText("schema: 2\nprivacy: {username: drop, iris_scan: drop}\nfuture: {a: [1]}\n"))
	if d := decision(t, l, "username"); d.Level != privacy.Drop {
		t.Errorf("username = %s; want drop: what is known applies", d.Level)
	}
	var skipped []string
	for _, w := range l.Warnings {
		if strings.Contains(w.Text, "newer version") {
			skipped = append(skipped, w.Key)
		}
	}
	if got := strings.Join(skipped, " "); got != "privacy.iris_scan future" {
		t.Errorf("skipped = %q; want both unknown keys", got)
	}
	for _, text := range []string{"schema: 2\nprivacy: {username: blurred}", "schema: 2\nprivacy: {Username: drop}", "schema: 1\nfuture: 1"} {
		if l := loadText(text); len(l.Faults) != 1 {
			t.Errorf("Load(%q) = %d faults; want 1", text, len(l.Faults))
		}
	}
}
