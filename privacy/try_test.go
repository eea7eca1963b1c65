package privacy

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// tryYAML is the context of the vectors as the documentation shows it.
const tryYAML = `
host: JDOE-LAPTOP
identities: ['CORP\jdoe', john.doe@corp.example.com, 'John Doe', JDOE-LAPTOP, zz-canary-7f3a, li, анна]
realm_aliases: {corp: corp.example, corp.example.com: corp.example, azuread: corp.example}
corporate_domains: [corp.example.com]
corporate_ssids: [CORP-WIFI]
corporate_networks: {hq: 10.20.0.0/16}
pseudonym_key_hex: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
pseudonym_key_id: t1
`

func testTrial(tb testing.TB) *Trial {
	tb.Helper()
	var c TryContext
	if err := yaml.Unmarshal([]byte(tryYAML), &c); err != nil {
		tb.Fatal(err)
	}
	trial, err := NewTrial(c)
	if err != nil {
		tb.Fatal(err)
	}
	return trial
}

// TestTryVectors asks all rows of one trial, so that one answer could change
// the next.
func TestTryVectors(t *testing.T) {
	with, ran := testTrial(t), 0
	without, err := NewTrial(TryContext{Host: "JDOE-LAPTOP"})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors(t) {
		trial := with
		setting, _, none := strings.Cut(v.policy, ";")
		if none {
			trial = without
		}
		_, level, _ := strings.Cut(setting, "=")
		got, err := trial.Try(Query{Field: v.field, Level: level, OS: string(v.system()), Value: v.in})
		if v.id == "U28" { // in a filter it drops
			if !errors.Is(err, ErrUsage) {
				t.Errorf("%s: Try at level %q: %v; want ErrUsage", v.id, level, err)
			}
			ran++
			continue
		}
		want := Answer{Field: v.field, Level: level, In: v.in, Out: v.want, Dropped: v.want == ""}
		if err != nil || got != want {
			t.Errorf("%s: Try(%s=%s, %q) = %+v, %v; want %+v", v.id, v.field, level, v.in, got, err, want)
		}
		ran++
	}
	if ran != vectorRows {
		t.Errorf("%d rows ran; want %d", ran, vectorRows)
	}
}

func TestTry(t *testing.T) {
	strict, _ := Preset("strict")
	sum := strings.Repeat("ab", 32)
	for _, row := range []struct {
		name  string
		q     Query
		level string
		out   string
	}{
		{"level of the default preset", Query{Field: "destinations", Value: "203.0.113.7"}, "cleartext", "203.0.113.7"},
		{"level of a policy", Query{Field: "destinations", Value: "203.0.113.7", Policy: &strict}, "scope", "public"},
		{"a level outweighs a policy", Query{Field: "destinations", Level: "prefix", Value: "203.0.113.7", Policy: &strict}, "prefix", "203.0.113.0/24"},
		{"hour", Query{Field: "user_activity", Level: "hour", Value: "2026-03-29T01:30:00+01:00"}, "hour", "2026-03-29T00:00:00Z/3600s"},
		{"hour of half an hour's zone", Query{Field: "focus_time", Level: "hour", Value: "2026-03-29T10:15:00+05:30"}, "hour", "2026-03-29T04:30:00Z/3600s"},
		{"day", Query{Field: "logons", Level: "day", Value: "2026-03-29T12:00:00+02:00"}, "day", "2026-03-28T22:00:00Z/86400s"},
		{"quarter", Query{Field: "focus_time", Level: "quarter_hour", Value: "2026-03-29T12:14:59Z"}, "quarter_hour", "2026-03-29T12:00:00Z/900s"},
		{"minute", Query{Field: "summary_interval", Level: "minute", Value: "2026-03-29T12:14:59.5Z"}, "minute", "2026-03-29T12:14:00Z/60s"},
		{"full", Query{Field: "logons", Level: "full", Value: "2026-03-29T12:14:59.5+02:00"}, "full", "2026-03-29T10:14:59.5Z"},
		{"time dropped", Query{Field: "focus_time", Level: "drop", Value: "2026-03-29T12:14:59Z"}, "drop", ""},
		{"no time", Query{Field: "focus_time", Level: "day", Value: "yesterday"}, "day", ""},
		{"processes", Query{Field: "processes", Level: "each", Value: "jdoe"}, "each", "each"},
		{"connections dropped", Query{Field: "connections", Level: "drop", Value: "x"}, "drop", ""},
		{"figure", Query{Field: "wifi_quality", Level: "cleartext", Value: "-61 dBm"}, "cleartext", "-61 dBm"},
		{"no figure", Query{Field: "wifi_quality", Level: "cleartext", Value: "jdoe"}, "cleartext", ""},
		{"SHA-256", Query{Field: "program_sha256", Level: "cleartext", Value: strings.ToUpper(sum)}, "cleartext", sum},
		{"no SHA-256", Query{Field: "program_sha256", Level: "cleartext", Value: "abcd"}, "cleartext", ""},
		{"a bar in a name", Query{Field: "username", Level: "cleartext", OS: "linux", Value: "a|b"}, "cleartext", "a|b"},
		{"raw octets", Query{Field: "wifi_ssid", Level: "hashed", Value: "\xff\xfeJohn"}, "hashed", "p1.t1.axbuehcv4purt2gggx2niwr6q4"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := testTrial(t).Try(row.q)
			want := Answer{row.q.Field, row.level, row.q.Value, row.out, row.out == ""}
			if err != nil || got != want {
				t.Errorf("Try = %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

func TestTryServesEveryKey(t *testing.T) {
	trial := testTrial(t)
	for k := range NumKeys {
		for _, l := range k.Info().Levels {
			if _, err := trial.Try(Query{Field: k.String(), Level: l.String(), OS: "darwin", Value: "x"}); err != nil {
				t.Errorf("Try(%s=%s): %v", k, l, err)
			}
		}
	}
}

func TestTryLearnsNothing(t *testing.T) {
	trial := testTrial(t)
	for _, value := range []string{"mary", "bob@corp.example.com"} {
		for _, field := range []string{"username", "upn"} {
			if _, err := trial.Try(Query{Field: field, Level: "cleartext", OS: "linux", Value: value}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, path := range []string{"/opt/mary/x", "/opt/bob/x"} {
		if got, err := trial.Try(Query{Field: "program_path", Level: "generalised", OS: "linux", Value: path}); err != nil || got.Out != path {
			t.Errorf("Try(%s) = %q, %v; want it unchanged: answers do not depend on order", path, got.Out, err)
		}
	}
}

func TestTryUsage(t *testing.T) {
	for _, row := range []struct {
		name string
		q    Query
		want string
	}{
		{"field", Query{Field: "user", Value: "x"}, "username, upn"},
		{"field in capitals", Query{Field: "Username", Value: "x"}, "username, upn"},
		{"level", Query{Field: "username", Level: "hash", Value: "x"}, "drop, hashed, cleartext"},
		{"level of another key", Query{Field: "username", Level: "scope", Value: "x"}, "drop, hashed, cleartext"},
		{"level that a key lacks", Query{Field: "program_name", Level: "drop", Value: "x"}, "generalised, cleartext"},
		{"os", Query{Field: "username", Level: "hashed", OS: "beos", Value: "x"}, "linux, windows, darwin"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := testTrial(t).Try(row.q)
			if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("Try(%+v): %v; want ErrUsage with %q", row.q, err, row.want)
			}
		})
	}
}

func TestNewTrial(t *testing.T) {
	for _, row := range []struct {
		name    string
		c       TryContext
		usage   bool
		dropped bool
	}{
		{"no key", TryContext{}, false, true},
		{"short key", TryContext{PseudonymKeyHex: "0001", PseudonymKeyID: "t1"}, false, true},
		{"weak key", TryContext{PseudonymKeyHex: strings.Repeat("00", 32), PseudonymKeyID: "t1"}, false, true},
		{"a key without an id", TryContext{PseudonymKeyHex: hex.EncodeToString(goodSecret("x"))}, false, false},
		{"no hex", TryContext{PseudonymKeyHex: "xyz"}, true, true},
		{"id with a dot", TryContext{PseudonymKeyHex: hex.EncodeToString(goodSecret("x")), PseudonymKeyID: "t.1"}, true, true},
		{"no network", TryContext{CorporateNetworks: map[string]string{"hq": "10.20.0.0"}}, true, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			trial, err := NewTrial(row.c)
			if errors.Is(err, ErrUsage) != row.usage {
				t.Fatalf("NewTrial: %v; want ErrUsage: %t", err, row.usage)
			}
			if err != nil {
				return
			}
			got, err := trial.Try(Query{Field: "username", Level: "hashed", OS: "linux", Value: "jdoe"})
			if err != nil || got.Dropped != row.dropped {
				t.Errorf("Try = %+v, %v; want dropped: %t", got, err, row.dropped)
			}
		})
	}
}
