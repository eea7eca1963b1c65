package privacy

import (
	"net/netip"
	"strings"
	"testing"
)

// TestKillDomainForms: digits, underscores and z belong to a name, a port may be
// missing, and an entry of any other form is no name.
func TestKillDomainForms(t *testing.T) {
	longest := strings.Repeat("x", 63) + "." + strings.Repeat("y", 253-64-len(".example.com")) + ".example.com"
	for in, want := range map[string]string{
		"z0_9.com":                "z0_9.com",
		"www.example.com:":        "example.com",
		"www.example.com:0":       "example.com",
		" www.example.com ":       "example.com",
		"www.example.com]":        "<local>",
		"www.a:b.com":             "",
		"[192.0.2.1]":             "<ip>",
		"[2001:db8::1]:":          "<ip>",
		"[2001:db8::1]:443":       "<ip>",
		"2001:db8::1":             "<ip>",
		"[2001:db8::1":            "<local>",
		"[2001:db8::1]80":         "<local>",
		"[2001:db8::1]:x":         "<local>",
		"192。0。2。1":               "<ip>",
		"192．0．2．1":               "<ip>",
		"192｡0｡2｡1":               "<ip>",
		"www.example{.com":        "",
		"mary．example．com":        "example.com",
		"mary｡example｡com":        "example.com",
		"Mary’s．_ipp．example．com": "example.com",
		".":                       "",
		".com":                    "<local>",
		"a..com":                  "<local>",
		longest:                   "example.com",
		"x" + longest:             "",
	} {
		if got := testRules(t, Linux).domain(Generalised, in); got != want {
			t.Errorf("domain(%q) = %q; want %q", in, got, want)
		}
	}
}

// TestKillDomainClear: how a name is written, and what stands for a label that
// the DNS cannot have.
func TestKillDomainClear(t *testing.T) {
	for in, want := range map[string]string{
		"faß.example":           "xn--fa-hia.example",
		"_bücher.example":       "xn--_bcher-4ya.example",
		"ab--ü.example":         "xn--ab---3ra.example",
		"XN--A.example":         "xn--a.example",
		"a b.example":           "?.example",
		"a!b.example":           "a!b.example",
		"a\x7fb.example":        "?.example",
		"a\u0080b.example":      "?.example",
		"[2001:db8::1]:443":     "2001:db8::1",
		"[fe80::1%wlan-jdoe]:1": "fe80::1",
	} {
		if got := testRules(t, Linux).domain(Cleartext, in); got != want {
			t.Errorf("domain(%q) at cleartext = %q; want %q", in, got, want)
		}
	}
}

// TestKillPersonalDomain: an identity is found in each form of a name, and the
// host's name is one.
func TestKillPersonalDomain(t *testing.T) {
	for _, row := range []struct {
		name, identity, host, in string
	}{
		{"letters that the DNS maps", "jdoe", "h", "www.ⓙdoe.com"},
		{"the host, in letters that the DNS maps", "jdoe", "berlin-12", "www.ⓑerlin-12.com"},
		{"the host, in ASCII for other letters", "jdoe", "büro-12", "www.xn--bro-12-3ya.com"},
		{"the host, where a name cannot be", "jdoe", "büro 12", "www.büro 12.com"},
		{"no label before it", "john doe", "h", "John Doe.com"},
		{"an account called like a domain", "jo da.co", "h", "www.jo da.co"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRules(Context{OS: Linux, Host: row.host, Identities: []string{row.identity}}, testKeys(t))
			if got := r.domain(Generalised, row.in); got != "<id-domain>" {
				t.Errorf("domain(%q) = %q; want <id-domain>", row.in, got)
			}
		})
	}
}

// TestKillListedNothing: an entry that names nothing matches nothing.
func TestKillListedNothing(t *testing.T) {
	r := newRules(Context{OS: Linux, CorporateDomains: []string{"", ".", "*."}}, nil)
	for _, in := range []string{".", "www.example.com"} {
		if got := r.domain(List, in); got != "other" {
			t.Errorf("domain(%q) = %q; want other", in, got)
		}
	}
}

// TestKillNetworks: the bits of an IPv6 network are its own, and of two labels
// of one network the first by its letters is told.
func TestKillNetworks(t *testing.T) {
	r := newRules(Context{OS: Linux, CorporateNetworks: []Network{
		{"lab", netip.MustParsePrefix("2001:db8:1::/112")},
		{"zurich", netip.MustParsePrefix("10.0.0.0/8")},
		{"aachen", netip.MustParsePrefix("10.0.0.0/8")},
	}}, nil)
	for in, want := range map[string]string{
		"2001:db8:1::5": "corp:lab", "2001:db8:1:1::5": "public", "2001:db8:2::5": "public",
		"10.1.2.3": "corp:aachen",
	} {
		if got := r.destination(Scope, in); got != want {
			t.Errorf("destination(%q) = %q; want %q", in, got, want)
		}
	}
	if got := r.localAddress(Prefix, "10.1.2.3"); got != "" {
		t.Errorf("localAddress at a level of other keys = %q; want it dropped", got)
	}
}
