package privacy

import (
	"strings"
	"testing"
	"time"
)

// TestKillScrubReadings: a value is read without what cannot be seen, with
// blanks in its place, and without its escapes.
func TestKillScrubReadings(t *testing.T) {
	for _, row := range []struct{ name, in, want string }{
		{"a name in each reading alone", "jdoe\ntools of jdoe", "<id>"},
		{"a name in both", "jdoe\u200b tools", "<id> tools"},
		{"a name where the sign is gone", "jd\u200boe tools", "<id> tools"},
		{"a name where the sign is a blank", "jdoe\ntools", "<id> tools"},
		{"no name, a control", "disk\ttools", "disk\ttools"},
		{"escaped three times", "j%252564oe tool", "<id> tool"},
		{"escaped four times", "j%25252564oe tool", "j%25252564oe tool"},
		{"an escape at the front", "%6Adoe tool", "<id> tool"},
		{"an escape at the end", "tool jdo%65", "tool <id>"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRules(Context{OS: Linux, Identities: []string{"jdoe"}}, nil)
			if got := r.scrub(row.in, maxName); got != row.want {
				t.Errorf("scrub(%q) = %q; want %q", row.in, got, row.want)
			}
		})
	}
}

// TestKillCapped: text that fits stays as it is; where a cut makes a name of a
// longer word, be it the host's, nothing is left.
func TestKillCapped(t *testing.T) {
	r := newRules(Context{OS: Linux, Host: "berlin-12", Identities: []string{"jdoe"}}, nil)
	for _, row := range []struct {
		in    string
		limit int
		want  string
	}{
		{"jdoe", 4, "jdoe"},
		{"jdoevil", 4, ""},
		{"xxberlin-12", 10, "xxberlin-1"},
		{"berlins", 6, ""},
		{"aé", 2, "a"},
	} {
		if got := r.capped(row.in, row.limit); got != row.want {
			t.Errorf("capped(%q, %d) = %q; want %q", row.in, row.limit, got, row.want)
		}
	}
}

// TestKillProgramRows: signers and names of programs, and levels that are none
// of theirs.
func TestKillProgramRows(t *testing.T) {
	for _, row := range []ruleRow{
		{"signer at a level of other keys", Linux, ProgramSigner, Prefix, "Acme", ""},
		{"software at a level of other keys", Linux, Software, Generalised, "Acme", ""},
		{"another attribute that begins with CN", Linux, ProgramSigner, Generalised, "CNAM=Mac Developer: Acme", "CNAM=Mac Developer: Acme"},
		{"signer with a control", Linux, ProgramSigner, Generalised, "Acme\tInc", "Acme\tInc"},
		{"signer with an escape", Linux, ProgramSigner, Generalised, "Acme 100%25", "Acme 100%25"},
		{"signer with the host's name", Linux, ProgramSigner, Generalised, "Berlin-12 Inc", "<person>"},
		{"one invalid byte at cleartext", Linux, ProgramName, Cleartext, "\xff", "\ufffd"},
		{"invalid bytes at cleartext", Linux, ProgramName, Cleartext, "a\xffb", "a\ufffdb"},
		{"nothing is in no list", Linux, Domains, List, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRules(Context{OS: row.system, Host: "berlin-12"}, testKeys(t))
			if got := tryTable[row.key](r, row.level, row.in); got != row.want {
				t.Errorf("%s(%q) at %s = %q; want %q", row.key, row.in, row.level, got, row.want)
			}
		})
	}
}

// TestKillLearnBounds: 4096 names that events brought are known, of at most
// 1024 bytes. At the bound all but the context's are forgotten.
func TestKillLearnBounds(t *testing.T) {
	r := newRules(Context{OS: Linux, Identities: []string{"jdoe"}}, nil)
	for _, name := range []string{"jdoe", strings.Repeat("x", 1025)} {
		if r.learn(name, ofAccount); r.learned != 0 {
			t.Errorf("learned = %d after %.8s of %d bytes; want 0", r.learned, name, len(name))
		}
	}
	r.learn(strings.Repeat("x", 1024), ofAccount)
	if r.learn("maria", ofAccount); r.learned != 2 {
		t.Errorf("learned = %d after two names; want 2", r.learned)
	}
	if r.learn("maria", ofAccount); r.learned != 2 {
		t.Errorf("learned = %d after a name that is known; want 2", r.learned)
	}
	r.learned = 4095
	r.learn("paolo", ofAccount)
	if got, want := r.scrub("maria paolo", maxName), "<id> <id>"; got != want {
		t.Errorf("scrub at the bound = %q; want %q", got, want)
	}
	r.learn("giulia", ofAccount)
	if got, want := r.scrub("maria paolo giulia jdoe", maxName), "maria paolo <id> <id>"; got != want || r.learned != 1 {
		t.Errorf("scrub above the bound = %q, learned = %d; want %q, 1", got, r.learned, want)
	}
}

// TestKillIdentityForms: of an identity of the context the whole, what is the
// host's in fifteen letters, and the name behind a realm are known.
func TestKillIdentityForms(t *testing.T) {
	r := newRules(Context{
		OS: Linux, Host: "LAPTOPBERLIN1234X", RealmAliases: []Alias{{From: "CORP", To: "corp.example"}},
		Identities: []string{"LAPTOPBERLIN123", "CORP+wilhelmina", "mary.smith@example.org"},
	}, nil)
	for in, want := range map[string]string{
		"on LAPTOPBERLIN123, x":       "on <id>, x",
		"on LAPTOPBERLIN1234X, x":     "on <id>, x",
		"wilhelmina tools":            "<id> tools",
		"mail mary.smith@example.org": "mail <id>",
	} {
		if got := r.scrub(in, maxName); got != want {
			t.Errorf("scrub(%q) = %q; want %q", in, got, want)
		}
	}
}

// TestKillBucketsInOneLife: what is kept of a bucket serves no time outside it,
// be it earlier or later.
func TestKillBucketsInOneLife(t *testing.T) {
	r := newRules(Context{OS: Linux}, nil)
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{noon, time.Unix(600, 0)} { // what is kept of none serves not even 1970
		if start, _ := r.bucket(QuarterHour, at); !start.Equal(at.Truncate(15 * time.Minute)) {
			t.Errorf("bucket of %s = %s; want the quarter", at, start)
		}
	}
	for _, minutes := range []int{30, 59, 60, 61, 0, -1, -60, -61, 30} {
		at := noon.Add(time.Duration(minutes) * time.Minute)
		if start, length := r.bucket(Hour, at); !start.Equal(at.Truncate(time.Hour)) || length != time.Hour {
			t.Errorf("bucket of %s = %s, %s; want the hour", at, start, length)
		}
		if start, length := r.bucket(Full, at); !start.Equal(at) || length != 0 {
			t.Errorf("bucket of %s at full = %s, %s; want the time", at, start, length)
		}
	}
}

// TestKillLettersAtTheEdge: a letter behind the Cherokee capitals is none, and
// only blanks go at the ends.
func TestKillLettersAtTheEdge(t *testing.T) {
	for in, want := range map[string]string{"\u13f5": "\u13f5", "\u13fd": "\u13f5", "\u13f6": "\u13f6", "\uabbf": "\u13ef", "\u139f": "\u139f", " Mañana-Tut ": "mañana-tut"} {
		if got := Canonical(in); got != want {
			t.Errorf("Canonical(%+q) = %+q; want %+q", in, got, want)
		}
	}
}
