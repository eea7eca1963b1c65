package privacy

import (
	"net/netip"
	"strings"
	"testing"
)

// These rows stand for mutants of the rules that no other test noticed.

func TestKeyVarietyEdge(t *testing.T) {
	secretOf := func(different int) []byte {
		secret := make([]byte, 32)
		for i := range secret {
			secret[i] = 0x80 + byte(i)
			if i >= different {
				secret[i] -= byte(different)
			}
		}
		return secret
	}
	for different, want := range map[int]string{leastVariety: "", leastVariety - 1: "its bytes hardly differ"} {
		secret := secretOf(different)
		if got := variety(secret); got != different {
			t.Fatalf("variety = %d; want %d", got, different)
		}
		if got := weakness(secret); got != want {
			t.Errorf("weakness of %d different bytes = %q; want %q", different, got, want)
		}
	}
	if leastVariety != 20 {
		t.Errorf("leastVariety = %d; want 20", leastVariety)
	}
}

func TestMappedCorporateNetwork(t *testing.T) {
	ctx := testContext(Linux)
	ctx.CorporateNetworks = []Network{{"hq", netip.MustParsePrefix("::ffff:10.20.0.0/112")}, {"all", netip.MustParsePrefix("::ffff:0.0.0.0/96")}}
	r := newRules(ctx, testKeys(t))
	for in, want := range map[string]string{"10.20.3.4": "corp:hq", "::ffff:10.20.3.4": "corp:hq", "192.0.2.1": "corp:all"} {
		if got := r.destination(Scope, in); got != want {
			t.Errorf("destination(%q) = %q; want %q", in, got, want)
		}
	}
}

func TestRuleEdges(t *testing.T) {
	for _, row := range []struct {
		name     string
		system   OS
		key      Key
		in, want string
	}{
		{"signer of invalid bytes", Windows, ProgramSigner, "Acme\xff Inc", "Acme\ufffd Inc"},
		{"two letters are all", Linux, ProgramName, "li", "<id>"},
		{"doubled separator", Windows, ProgramPath, `C:\Windows\\System32\cmd.exe`, `C:\Windows\\System32\cmd.exe`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := tryTable[row.key](testRules(t, row.system), Generalised, row.in); got != row.want {
				t.Errorf("%s(%q) = %q; want %q", row.key, row.in, got, row.want)
			}
		})
	}
}

func TestRoleEdges(t *testing.T) {
	for _, row := range []struct {
		name   string
		system OS
		sid    string
		want   string
	}{
		{"nobody of macOS", Darwin, "4294967294", roleService},
		{"no nobody of Linux", Linux, "4294967294", ""},
		{"longest uid that is read", Linux, strings.Repeat("0", maxName), roleSystem},
		{"a longer one", Linux, strings.Repeat("0", maxName+1), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := testRules(t, row.system)
			if got := r.accounts.roleOfSID(row.sid); got != row.want {
				t.Errorf("roleOfSID of %d digits = %q; want %q", len(row.sid), got, row.want)
			}
		})
	}
	r := testRules(t, Windows)
	if got, want := r.username(Hashed, `AzureAD\j@corp.example`, ""), r.username(Hashed, `corp.example\j`, ""); got != want {
		t.Errorf("username of one letter with a realm on both sides = %q; want %q", got, want)
	}
}

func TestHexEdges(t *testing.T) {
	for _, last := range []string{"g", "G", "`", "@", "/"} {
		in := "a4:cf:12:34:56:7" + last
		if got := testRules(t, Linux).wifiBSSID(Cleartext, in); got != "" {
			t.Errorf("wifiBSSID(%q) = %q; want nothing", in, got)
		}
	}
}
