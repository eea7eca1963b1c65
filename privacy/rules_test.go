package privacy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode"
)

func TestRules(t *testing.T) {
	for _, row := range ruleRows(testKeys(t)) {
		t.Run(row.name, func(t *testing.T) {
			r := testRules(t, row.system)
			if got := tryTable[row.key](r, row.level, row.in); got != row.want {
				t.Errorf("%s(%q) at %s = %q; want %q", row.key, row.in, row.level, got, row.want)
			}
		})
	}
}

// TestCanonicalFoldsAllLetters checks that letters which differ in case alone
// have one canonical form, in every script.
func TestCanonicalFoldsAllLetters(t *testing.T) {
	for c := range rune(unicode.MaxRune) {
		for d := unicode.SimpleFold(c); d > c; d = unicode.SimpleFold(d) {
			if a, b := Canonical(string(c)), Canonical(string(d)); a != b {
				t.Errorf("Canonical(%U) = %q, Canonical(%U) = %q; want one form", c, a, d, b)
			}
		}
	}
}

func TestLearn(t *testing.T) {
	r := newRules(Context{OS: Linux, Host: "h"}, testKeys(t))
	const path = "/opt/maria.rossi/tool"
	if got := r.programPath(Generalised, path); got != path {
		t.Fatalf("programPath(%q) = %q before the name is known; want it unchanged", path, got)
	}
	r.username(Drop, "ACME\\Maria.Rossi", "1002")
	if got, want := r.programPath(Generalised, path), "/opt/<id>/tool"; got != want {
		t.Errorf("programPath(%q) = %q after the name was seen; want %q", path, got, want)
	}
	r.upn(Drop, "paolo.verdi@example.org")
	if got, want := r.programName(Generalised, "paolo-verdi-cv"), "<id>-cv"; got != want {
		t.Errorf("programName = %q after the UPN was seen; want %q", got, want)
	}
	r.upn(Drop, "giulia@example.org")
	if got, want := r.programName(Generalised, "giulia.exe"), "<id>.exe"; got != want {
		t.Errorf("programName = %q after a UPN of one word was seen; want %q", got, want)
	}
	for name, sid := range map[string]string{
		"postfix": "105", "root": "0", `NT SERVICE\TrustedInstaller`: "", `NT AUTHORITY\SYSTEM`: "S-1-5-18",
		`IIS APPPOOL\DefaultAppPool`: "S-1-5-82-1-2-3-4-5",
	} {
		r.username(Hashed, name, sid)
	}
	for _, path := range []string{
		"/usr/lib/postfix/x", "/usr/lib/system/root", "/usr/lib/TrustedInstaller", "/usr/lib/DefaultAppPool/x",
	} {
		if got := r.programPath(Generalised, path); got != path {
			t.Errorf("programPath(%q) = %q; want unchanged: a system account is nobody's name", path, got)
		}
	}
}

func TestTokensOf(t *testing.T) {
	for _, row := range []struct{ name, identity, want string }{
		{"account", `CORP\jdoe`, `corp\jdoe|jdoe|jdoe~`},
		{"address of one word", "mary+x@example.org", "mary+x@example.org|mary+x|maryx~"},
		{"invalid byte, and as a path spells it", "jd\xffoe", "jd\ufffdoe|jd?oe|jdoe~"},
		{"letter that stands for others", "\u2460ab", "\u2460ab|1ab|ab~"},
		{"short parts", "li-wu", "li-wu|liwu|li.wu|li_wu|li wu|liwu~"},
		{"long part", "van.gogh", "van.gogh|vangogh|van_gogh|van-gogh|van gogh|gogh|vangog~"},
		{"one letter", "j", ""},
		{"nothing", " \u200b", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []string
			for _, token := range tokensOf(row.identity) {
				got = append(got, token.text)
			}
			if got := strings.Join(got, "|"); got != row.want {
				t.Errorf("tokensOf(%q) = %q; want %q", row.identity, got, row.want)
			}
		})
	}
}

func TestLearnIsBounded(t *testing.T) {
	r := testRules(t, Linux)
	for i := range maxLearned + 10 {
		r.learn(fmt.Sprintf("person%06d", i), ofAccount)
	}
	if len(r.known) > maxLearned+len(r.ctx.Identities) {
		t.Errorf("known = %d identities; want at most %d", len(r.known), maxLearned+len(r.ctx.Identities))
	}
	for in, want := range map[string]string{
		fmt.Sprintf("/opt/person%06d/x", maxLearned+9): "/opt/<id>/x", // of late
		"/opt/jdoe/x": "/opt/<id>/x", // of the context
	} {
		if got := r.programPath(Generalised, in); got != want {
			t.Errorf("programPath(%q) = %q; want %q", in, got, want)
		}
	}
	r.learn(strings.Repeat("x", maxLearnBytes+1), ofAccount)
	if r.tokens.finds(strings.Repeat("x", maxLearnBytes+1), false) {
		t.Error("learn took a name longer than any account's")
	}
}

func TestMachineNamesDoNotVandalise(t *testing.T) {
	r := newRules(Context{OS: Windows, Host: "DESKTOP-4F7K2QX"}, testKeys(t))
	if got, want := r.programName(Generalised, "Docker Desktop"), "Docker Desktop"; got != want {
		t.Errorf("programName(Docker Desktop) = %q; want %q", got, want)
	}
	if got, want := r.programName(Generalised, "log of DESKTOP-4F7K2QX"), "log of <id>"; got != want {
		t.Errorf("programName with the host's name = %q; want %q", got, want)
	}
	if got, want := r.programName(Generalised, "4f7k2qx"), "<id>"; got != want {
		t.Errorf("programName with the part that is the machine's = %q; want %q", got, want)
	}
	if got, want := r.deviceName(Auto, "DESKTOP-4F7K2QX"), "DESKTOP-4F7K2QX"; got != want {
		t.Errorf("deviceName of the host itself = %q; want %q", got, want)
	}
	r.learn(`CORP\4f7k2qx`, ofAccount)
	if got := r.deviceName(Auto, "DESKTOP-4F7K2QX"); !strings.HasPrefix(got, "p1.") {
		t.Errorf("deviceName = %q where an account has its letters; want a pseudonym", got)
	}
}

func TestBounds(t *testing.T) {
	r := testRules(t, Linux)
	for _, row := range []struct {
		name, in, want string
		key            Key
	}{
		{"long name", strings.Repeat("a b ", 100), strings.Repeat("a b ", 64), ProgramName},
		{"the cut must not make a name", strings.Repeat("a ", 126) + "jdoevil", "", ProgramName},
		{"letters of many bytes", strings.Repeat("é", 200), strings.Repeat("é", 128), ProgramName},
		{"long system path", "/usr/" + strings.Repeat("x/", 600) + "tool", "<other>/…/tool", ProgramPath},
		{"longer than any path", "/usr/bin/" + strings.Repeat("x", maxInput), "", ProgramPath},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := tryTable[row.key](r, Generalised, row.in); got != row.want {
				t.Errorf("%s of %d bytes = %q; want %q", row.key, len(row.in), got, row.want)
			}
		})
	}
}

func TestMemoIsBounded(t *testing.T) {
	var m memo[string]
	for i := range 3*memoEntries + 5 {
		m.put(Hashed, fmt.Sprint(i), "x")
	}
	if n := len(m.of[Hashed]); n > memoEntries {
		t.Errorf("memo holds %d; want at most %d", n, memoEntries)
	}
	m.put(Hashed, strings.Repeat("x", memoText+1), "x")
	if _, ok := m.get(Hashed, strings.Repeat("x", memoText+1)); ok {
		t.Error("memo keeps a long text")
	}
	m.put(Level(200), "x", "x")
	if _, ok := m.get(Level(200), "x"); ok {
		t.Error("memo keeps what an unknown level made")
	}
}

func TestMemoKnowsLevels(t *testing.T) {
	r := testRules(t, Linux)
	for range 2 {
		if got := r.username(Cleartext, "jdoe", ""); got != "jdoe" {
			t.Errorf("username at cleartext = %q; want jdoe", got)
		}
		if got := r.username(Hashed, "jdoe", ""); !strings.HasPrefix(got, "p1.") {
			t.Errorf("username at hashed = %q; want a pseudonym", got)
		}
		if got := r.username(Hashed, "jdoe", "0"); got != roleSystem {
			t.Errorf("username of uid 0 = %q; want %q", got, roleSystem)
		}
		if got := r.username(Drop, "jdoe", ""); got != "" {
			t.Errorf("username at drop = %q; want nothing", got)
		}
	}
}

// TestWarmRulesDoNotAllocate asks every rule for a value that it knows.
func TestWarmRulesDoNotAllocate(t *testing.T) {
	for _, b := range benchRules {
		r := testRules(t, b.system)
		b.run(r)
		if n := testing.AllocsPerRun(100, func() { b.run(r) }); n != 0 {
			t.Errorf("%s, warm: %v allocations; want 0", b.name, n)
		}
	}
}

func TestNothingPrints(t *testing.T) {
	ctx := TryContext{Host: "secret-host", Identities: []string{"secret-name"}, PseudonymKeyHex: fmt.Sprintf("%x", testSecret())}
	trial, err := NewTrial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := newRules(Context{Host: "secret-host", Identities: []string{"secret-name"}}, testKeys(t))
	r.username(Cleartext, "secret-user", "")
	var log bytes.Buffer
	for name, v := range map[string]any{"rules": r, "context": r.ctx, "&context": &r.ctx, "keys": r.keys, "try context": ctx, "trial": trial} {
		log.Reset()
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		text, _ := json.Marshal(v)
		if name == "try context" {
			text = nil // it is what a file says; no code writes one
		}
		out := fmt.Sprintf("%v %+v %#v %s %x %q %d", v, v, v, v, v, v, v) + log.String() + string(text)
		if strings.Contains(out, "secret") || strings.Contains(out, "736563726574") || !strings.Contains(out, redactedText) {
			t.Errorf("%s prints as %.200s; want only %s", name, out, redactedText)
		}
	}
}
