package privacy

import (
	"strings"
	"testing"
)

// TestKillRows holds what the rules promise and no other row asks for.
func TestKillRows(t *testing.T) {
	for _, row := range []struct {
		name   string
		system OS
		key    Key
		level  Level
		in     string
		want   string
	}{
		{"an asset id has no pseudonym", Linux, AssetID, Hashed, "NB-1", ""},
		{"a path of nothing but its end mark", Linux, ProgramPath, Generalised, "\x00tail", ""},
		{"a home whose only capital letter is A", Linux, ProgramPath, Generalised, "/usr/locAl/home/mary/tool", "<other>/…/tool"},
		{"a home with a later capital A", Darwin, ProgramPath, Generalised, "/Usr/locAl/home/mary/tool", "<other>/…/tool"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := tryTable[row.key](testRules(t, row.system), row.level, row.in); got != row.want {
				t.Errorf("%s(%q) at %s = %q; want %q", row.key, row.in, row.level, got, row.want)
			}
		})
	}
}

// TestCorporateDomainForms: the settings may write a domain with a star or a
// dot before it.
func TestCorporateDomainForms(t *testing.T) {
	for _, entry := range []string{"corp.example", ".corp.example", "*.corp.example"} {
		r := newRules(Context{OS: Linux, CorporateDomains: []string{entry}}, testKeys(t))
		if got := r.domain(List, "www.corp.example"); got != "corp.example" {
			t.Errorf("domain(www.corp.example) with %q listed = %q; want corp.example", entry, got)
		}
	}
}

// TestKeyIDForms: 1 to 16 letters and digits, in lower case.
func TestKeyIDForms(t *testing.T) {
	for id, want := range map[string]bool{
		"a": true, "z": true, "0": true, "9": true, strings.Repeat("k", 16): true,
		"": false, strings.Repeat("k", 17): false, "`": false, "{": false, "/": false, ":": false, "A": false,
	} {
		if got := validKeyID(id); got != want {
			t.Errorf("validKeyID(%q) = %v; want %v", id, got, want)
		}
	}
}

// TestPseudonymsStayTheSame: a release that gave a value another pseudonym
// would cut every record before it from every one after it.
func TestPseudonymsStayTheSame(t *testing.T) {
	keys := testKeys(t)
	for p, want := range map[purpose]string{
		purposeUser:   "p1.t1.psxr6spkusqvk2sgtd5fc2vfju",
		purposeSID:    "p1.t1.5cqqeeflgcsuqnm2njekl2wjby",
		purposeSerial: "p1.t1.4d6dfbuwkehvchgndid5ie7mxe",
		purposeDomain: "p1.t1.vhztr37ps5qjwtom5kgomsywrq",
	} {
		if got := keys.make(p, "x"); got != want {
			t.Errorf("pseudonym of x for purpose %v = %q; want %q", p, got, want)
		}
	}
}
