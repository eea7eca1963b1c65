package privacy

import (
	"strings"
	"testing"
)

// TestKillTokens: the spellings of an identity, at the edges of each form.
func TestKillTokens(t *testing.T) {
	for _, row := range []struct{ name, identity, want string }{
		{"nothing before the @", "@mary", "@mary|mary~"},
		{"one letter before the @", "j@x.example", "j@x.example"},
		{"parts at a blank", "mary ann", "mary ann|maryann|mary.ann|mary_ann|mary-ann|mary|maryan~"},
		{"parts at a low line", "mary_ann", "mary_ann|maryann|mary.ann|mary-ann|mary ann|mary|maryan~"},
		{"one part behind a sign", "_mary", "_mary|mary|mary~"},
		{"signs alone", "_-", "_-"},
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

// TestKillHostTokens: of a name that Windows made, the first word is no token.
func TestKillHostTokens(t *testing.T) {
	for _, word := range []string{"DESKTOP", "LAPTOP", "WIN"} {
		r := newRules(Context{OS: Windows, Host: word + "-4F7K2QX.corp.example"}, nil)
		for in, want := range map[string]string{
			"my " + word + " tool":                    "my " + word + " tool",
			"on " + word + "-4F7K2QX":                 "on <id>",
			"on " + word + "-4F7K2QX.corp.example, x": "on <id>, x",
		} {
			if got := r.programName(Generalised, in); got != want {
				t.Errorf("programName(%q) = %q; want %q", in, got, want)
			}
		}
	}
}

// TestKillScrub: where an identity counts, by its length, and what is left
// beside it.
func TestKillScrub(t *testing.T) {
	for _, row := range []struct {
		name       string
		identities string // with commas
		in, want   string
	}{
		{"eight letters, possessive, within a word", "wilhelmi", "xwilhelmis", "x<id>"},
		{"eight letters within a word", "wilhelmi", "xwilhelmix", "x<id>x"},
		{"seven letters within a word", "wilhelm", "xwilhelm wilhelmx", "xwilhelm wilhelmx"},
		{"two letters as a directory", "li", "/usr/li/x", "/usr/<id>/x"},
		{"two letters, then a longer name", "li,zz-canary", "li/zz-canary", "<id>/<id>"},
		{"two letters between longer names", "li,zz-canary", "zz-canaryli/zz-canary", "<id>li/<id>"},
		{"two letters before what only begins like a name", "li,jdoe", "li/jdoex", "<id>/jdoex"},
		{"8.3 form, digit 0", "john.doe", "johndo~0:", "<id>:"},
		{"8.3 form, digit 9", "john.doe", "johndo~9:", "<id>:"},
		{"8.3 form, many digits", "john.doe", "x johndo~1909: x", "x <id>: x"},
		{"8.3 form, no digit", "john.doe", "x johndo~: x", "x johndo~: x"},
		{"8.3 form, another sign", "john.doe", "x johndo~/ x", "x johndo~/ x"},
		{"8.3 form of four signs within a word", "li", "/opt/xli~1/x", "/opt/xli~1/x"},
		{"8.3 form of seven signs within a word", "smith", "xsmith~1", "xsmith~1"},
		{"8.3 form of eight signs within a word", "smith", "xsmith~12", "x<id>"},
		{"address with two kinds of signs in its name", "ma.an_sm@x.example", "ma.an_sm tools", "<id> tools"},
		{"address whose name has one letter", "j@x.example", "mail j@x.example", "mail <id>"},
		{"a letter whose second byte is 0x80", "рита", "из рита", "из <id>"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRules(Context{OS: Linux, Identities: strings.Split(row.identities, ",")}, nil)
			if got := r.scrub(row.in, maxName); got != row.want {
				t.Errorf("scrub(%q) with %s = %q; want %q", row.in, row.identities, got, row.want)
			}
		})
	}
}

// TestKillAccountOfUPN: a word that is an account and a part of a UPN is hidden
// only where the policy hides both.
func TestKillAccountOfUPN(t *testing.T) {
	for name, row := range map[string]struct {
		identities []string
		key        Key
		want       bool
	}{
		"account first, accounts clear": {[]string{"mary", "mary@example.org"}, Username, true},
		"UPN first, accounts clear":     {[]string{"mary@example.org", "mary"}, Username, true},
		"account first, UPNs clear":     {[]string{"mary", "mary@example.org"}, UPN, true},
		"UPN first, UPNs clear":         {[]string{"mary@example.org", "mary"}, UPN, true},
		"UPN alone, accounts clear":     {[]string{"mary@example.org"}, Username, false},
		"account alone, UPNs clear":     {[]string{"mary"}, UPN, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := NewFilter(with(t, preset(t, "balanced"), row.key, Cleartext), Context{OS: Linux, Host: "h", Identities: row.identities}, testKeys(t))
			if _, ok := f.Apply(kernelEvent("mary")); ok != row.want {
				t.Errorf("Apply of an event with the word leaves: %v; want %v", ok, row.want)
			}
		})
	}
}

// TestKillPersonBesideHost: a word of the host's name that is a person's too
// counts as the person's, in whatever order they became known.
func TestKillPersonBesideHost(t *testing.T) {
	s := newScrubber()
	s.add(hostTokens("mary-pc"))
	s.add(tagged(tokensOf("mary"), ofAccount))
	s.add(hostTokens("mary-pc"))
	if !s.finds("mary", true) {
		t.Error("finds(mary) without the host's words = false; want true: it is a person's word")
	}
}
