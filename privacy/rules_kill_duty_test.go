package privacy

import (
	"strings"
	"testing"
)

// TestKillDuties: a name of 32 KiB has a pseudonym, and a longer one has none,
// as in the filter.
func TestKillDuties(t *testing.T) {
	const longest = 32 << 10
	keys, ctx := testKeys(t), testContext(Linux)
	name := strings.Repeat("x", longest)
	for kind, row := range map[string]struct {
		of   func(string) string
		want string
	}{
		"user":   {func(v string) string { return UserPseudonym(keys, ctx, v, "") }, keys.make(purposeUser, "local:jdoe-laptop\x1f"+name)},
		"device": {func(v string) string { return DevicePseudonym(keys, v) }, keys.make(purposeDevice, name)},
		"upn":    {func(v string) string { return UPNPseudonym(keys, v) }, keys.make(purposeUPN, name[:longest-2]+"@x")},
	} {
		in := name
		if kind == "upn" {
			in = name[:longest-2] + "@x"
		}
		if got := row.of(in); got != row.want || got == "" {
			t.Errorf("pseudonym of a %s of %d bytes = %q; want %q", kind, len(in), got, row.want)
		}
		if got := row.of("x" + in); got != "" {
			t.Errorf("pseudonym of a %s of %d bytes = %q; want none", kind, len(in)+1, got)
		}
	}
}

// TestKillNoKeys: without keys there is no epoch, and nothing to lock or wipe.
func TestKillNoKeys(t *testing.T) {
	var p *Pseudonyms
	p.Close()
	if p.Epoch() != "" || p.KeyID() != "" || p.Unlocked() != nil {
		t.Errorf("no keys: epoch %q, id %q, %v; want nothing", p.Epoch(), p.KeyID(), p.Unlocked())
	}
	keys := testKeys(t)
	if keys.KeyID() != "t1" || keys.Epoch() != "" || keys.make(purposeUser, "") != "" {
		t.Errorf("keys: id %q, epoch %q, pseudonym of nothing %q; want t1 and nothing", keys.KeyID(), keys.Epoch(), keys.make(purposeUser, ""))
	}
	if keys.Close(); keys.make(purposeUser, "x") != "" {
		t.Error("closed keys make pseudonyms; want none")
	}
}
