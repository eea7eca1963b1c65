package privacy

import "testing"

// TestDomainEdges: digits, underscores and z belong to a name, a port may be
// missing, and an entry of any other form is no name.
func TestDomainEdges(t *testing.T) {
	r := testRules(t, Linux)
	for in, want := range map[string]string{
		"z0_9.com":                "z0_9.com",
		"www.example.com:":        "example.com",
		"www.example.com:0":       "example.com",
		" www.example.com ":       "example.com",
		"[192.0.2.1]":             "<ip>",
		"[2001:db8::1]:":          "<ip>",
		"www.example{.com":        "",
		"mary．example．com":        "example.com",
		"mary｡example｡com":        "example.com",
		"Mary’s．_ipp．example．com": "example.com",
	} {
		if got := r.domain(Generalised, in); got != want {
			t.Errorf("domain(%q) = %q; want %q", in, got, want)
		}
	}
}
