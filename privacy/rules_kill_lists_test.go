package privacy

import (
	"net/netip"
	"testing"
)

// TestClosestCorporateEntryWins: of two entries that hold a value, the closer
// one is told, in whatever order the settings name them.
func TestClosestCorporateEntryWins(t *testing.T) {
	wide := Network{"wide", netip.MustParsePrefix("10.0.0.0/8")}
	near := Network{"near", netip.MustParsePrefix("10.20.0.0/16")}
	for name, ctx := range map[string]Context{
		"wide first": {OS: Linux, CorporateNetworks: []Network{wide, near}, CorporateDomains: []string{"example.com", "z.a.example", "a.example", "corp.example.com"}},
		"near first": {OS: Linux, CorporateNetworks: []Network{near, wide}, CorporateDomains: []string{"corp.example.com", "a.example", "z.a.example", "example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRules(ctx, testKeys(t))
			for in, want := range map[string]string{"10.20.3.4": "corp:near", "10.21.3.4": "corp:wide"} {
				if got := r.destination(Scope, in); got != want {
					t.Errorf("destination(%q) = %q; want %q", in, got, want)
				}
			}
			for in, want := range map[string]string{"www.corp.example.com": "corp.example.com", "www.example.com": "example.com", "x.z.a.example": "z.a.example"} {
				if got := r.domain(List, in); got != want {
					t.Errorf("domain(%q) = %q; want %q", in, got, want)
				}
			}
		})
	}
}

// TestNetworksAreReadLeniently: bits behind the length of a prefix do not
// count, and an entry without a label or a prefix is none.
func TestNetworksAreReadLeniently(t *testing.T) {
	r := newRules(Context{OS: Linux, CorporateNetworks: []Network{
		{"hq\xff", netip.MustParsePrefix("10.20.3.4/16")},
		{"", netip.MustParsePrefix("10.20.0.0/24")},
		{"nothing", netip.Prefix{}},
	}}, testKeys(t))
	for in, want := range map[string]string{"10.20.0.1": "corp:hq\ufffd", "10.20.9.9": "corp:hq\ufffd"} {
		if got := r.destination(Scope, in); got != want {
			t.Errorf("destination(%q) = %q; want %q", in, got, want)
		}
	}
}

// TestWinbindNameIsLearned: CORP+jdoe names jdoe, where CORP is a realm that
// the settings know.
func TestWinbindNameIsLearned(t *testing.T) {
	ctx := Context{OS: Linux, RealmAliases: []Alias{{From: "CORP", To: "corp.example"}}}
	r := newRules(ctx, testKeys(t))
	r.username(Drop, "CORP+wilhelmina", "1002")
	if got, want := r.programPath(Generalised, "/opt/wilhelmina/tool"), "/opt/<id>/tool"; got != want {
		t.Errorf("programPath = %q after the name was seen; want %q", got, want)
	}
}

// TestCanonicalOfPlainLetters: A and Z fold as the letters between them do, and
// a control is no part of a name.
func TestCanonicalOfPlainLetters(t *testing.T) {
	for in, want := range map[string]string{
		"AZ": "az", "az": "az", " az ": "az", "aZ": "az", "@[`{": "@[`{", "a\x7fz": "az", "\x7f": "",
	} {
		if got := Canonical(in); got != want {
			t.Errorf("Canonical(%q) = %q; want %q", in, got, want)
		}
	}
}
