package privacy

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
)

const vectorRows = 147

// vector is one row of the table of values.
type vector struct{ id, name, field, os, in, policy, want string }

func vectors(tb testing.TB) []vector {
	tb.Helper()
	text, err := os.ReadFile("testdata/leak_vectors.tsv")
	if err != nil {
		tb.Fatal(err)
	}
	var rows []vector
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		col := strings.Split(line, "\t")
		if i == 0 || strings.HasPrefix(line, "S") {
			continue // assertions about the whole system
		}
		if len(col) != 7 {
			tb.Fatalf("line %d has %d columns; want 7", i+1, len(col))
		}
		in := col[4]
		if strings.HasPrefix(in, `"`) {
			if in, err = strconv.Unquote(in); err != nil {
				tb.Fatalf("line %d: input: %v", i+1, err)
			}
		}
		rows = append(rows, vector{col[0], col[1], col[2], col[3], in, col[5], col[6]})
	}
	return rows
}

// testContext is the context of the vectors.
func testContext(system OS) Context {
	return Context{
		OS:   system,
		Host: "JDOE-LAPTOP",
		Identities: []string{
			`CORP\jdoe`, "john.doe@corp.example.com", "John Doe", "JDOE-LAPTOP", "zz-canary-7f3a", "li", "анна",
		},
		RealmAliases: []Alias{
			{"corp", "corp.example"}, {"corp.example.com", "corp.example"}, {"azuread", "corp.example"},
		},
		CorporateDomains:  []string{"corp.example.com"},
		CorporateSSIDs:    []string{"CORP-WIFI"},
		CorporateNetworks: []Network{{"hq", netip.MustParsePrefix("10.20.0.0/16")}},
	}
}

func testSecret() []byte {
	secret := make([]byte, 32)
	for i := range secret {
		secret[i] = byte(i)
	}
	return secret
}

// testKeys is the key of the vectors, which NewPseudonyms refuses.
func testKeys(tb testing.TB) *Pseudonyms {
	tb.Helper()
	p, err := newPseudonyms("t1", testSecret())
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func testRules(tb testing.TB, system OS) *rules {
	tb.Helper()
	return newRules(testContext(system), testKeys(tb))
}

// run applies the rule of a row. An unknown level is passed on as one.
func (v vector) run(tb testing.TB, r *rules) string {
	tb.Helper()
	setting, _, _ := strings.Cut(v.policy, ";")
	_, name, _ := strings.Cut(setting, "=")
	level, ok := ParseLevel(name)
	if !ok {
		level = numLevels
	}
	key, ok := ParseKey(v.field)
	if !ok {
		tb.Fatalf("unknown field %q", v.field)
	}
	return tryTable[key](r, level, v.in)
}

func (v vector) system() OS {
	if v.os == "any" {
		return Linux
	}
	return OS(v.os)
}

func TestLeakVectors(t *testing.T) {
	rows, ran := vectors(t), 0
	for _, v := range rows {
		t.Run(v.id, func(t *testing.T) {
			ran++
			systems := []OS{v.system()}
			if v.os == "any" {
				systems = []OS{Linux, Windows, Darwin}
			}
			for _, system := range systems {
				keys := testKeys(t)
				if strings.Contains(v.policy, "key=none") {
					keys = nil
				}
				r := newRules(testContext(system), keys)
				for _, pass := range []string{"cold", "warm"} {
					if got := v.run(t, r); got != v.want {
						t.Errorf("%s, %s, %s: %s(%q) at %s = %q; want %q", v.name, system, pass, v.field, v.in, v.policy, got, v.want)
					}
				}
			}
		})
	}
	t.Logf("%d rows of values ran", ran)
	if len(rows) != vectorRows || !strings.Contains(t.Name(), "/") && ran != len(rows) && !filtered() {
		t.Errorf("%d of %d rows ran; want %d", ran, len(rows), vectorRows)
	}
}

// filtered reports whether the caller asked for some rows only.
func filtered() bool {
	for _, arg := range os.Args {
		if strings.HasPrefix(arg, "-test.run=") && strings.Contains(arg, "/") {
			return true
		}
	}
	return false
}

// TestLeakVectorsInOneLife runs all rows through one set of rules for each
// system: what was learned and kept on the way changes no row.
func TestLeakVectorsInOneLife(t *testing.T) {
	for _, system := range []OS{Linux, Windows, Darwin} {
		r := testRules(t, system)
		for range 2 {
			for _, v := range vectors(t) {
				if v.os != "any" && OS(v.os) != system || strings.Contains(v.policy, "key=none") {
					continue
				}
				if got := v.run(t, r); got != v.want {
					t.Errorf("%s: %s(%q) at %s = %q; want %q", v.id, v.field, v.in, v.policy, got, v.want)
				}
			}
		}
	}
}
