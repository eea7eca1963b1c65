package privacy

import (
	"strings"
	"testing"
)

// TestKillAccountForms: how a realm is split from a name, at the edges of each
// form.
func TestKillAccountForms(t *testing.T) {
	keys := testKeys(t)
	user := func(realm, name string) string { return keys.make(purposeUser, realm+"\x1f"+name) }
	const local = "local:jdoe-laptop"
	for _, row := range []ruleRow{
		{"nothing before the backslash", Windows, Username, Hashed, `\jdoe`, user(local, "jdoe")},
		{"a name that begins with @", Windows, Username, Hashed, `CORP\@x`, user("corp.example", "@x")},
		{"a realm of one letter behind a name", Windows, Username, Hashed, `AzureAD\j@c`, user("c", "j")},
		{"a name of one letter before an @", Windows, Username, Hashed, "j@corp.example.com", user("corp.example", "j")},
		{"an empty name in a realm", Windows, Username, Hashed, `CORP\`, ""},
		{"a plus at the front", Linux, Username, Hashed, "+jdoe", user(local, "+jdoe")},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := tryTable[row.key](testRules(t, row.system), row.level, row.in); got != row.want {
				t.Errorf("%s(%q) at %s = %q; want %q", row.key, row.in, row.level, got, row.want)
			}
		})
	}
}

// TestKillSystemAccountsByName: where no SID is told, the name alone says that an
// account is the system's.
func TestKillSystemAccountsByName(t *testing.T) {
	for in, want := range map[string]string{
		"root": roleSystem, `NT AUTHORITY\System`: roleSystem, "defaultuser0": roleSystem,
		`NT AUTHORITY\Local Service`: roleService, `NT AUTHORITY\Network Service`: roleService,
		"daemon": roleService, "nobody": roleService, "www-data": roleService, "_windowserver": roleService,
		`Window Manager\DWM-0`: roleService, `Window Manager\DWM-9`: roleService, `Font Driver Host\UMFD-12`: roleService,
	} {
		if got := testRules(t, Windows).username(Hashed, in, ""); got != want {
			t.Errorf("username(%q) = %q; want %q", in, got, want)
		}
	}
	for _, in := range []string{`Window Manager\DWM-`, `Window Manager\DWM-1:`} {
		if got := testRules(t, Windows).username(Hashed, in, ""); !strings.HasPrefix(got, "p1.") {
			t.Errorf("username(%q) = %q; want a pseudonym: no number follows", in, got)
		}
	}
}

// TestKillUIDEdges: which uids are the system's.
func TestKillUIDEdges(t *testing.T) {
	for _, row := range []struct {
		name   string
		system OS
		uid    string
		want   string
	}{
		{"macOS, the last of the system", Darwin, "499", roleService},
		{"macOS, the first that may be a person's", Darwin, "500", ""},
		{"a number that is no uid", Linux, strings.Repeat("9", 30), ""},
		{"no SID and no uid", Linux, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := testRules(t, row.system).accounts.roleOfSID(row.uid); got != row.want {
				t.Errorf("roleOfSID(%q) = %q; want %q", row.uid, got, row.want)
			}
		})
	}
}

// TestKillAliasOfNothing: an alias without a realm does not make local accounts the
// company's, nor "+jdoe" a name in a realm.
func TestKillAliasOfNothing(t *testing.T) {
	ctx := testContext(Linux)
	want := map[string]string{}
	for _, name := range []string{"jdoe", "+jdoe"} {
		want[name] = newRules(ctx, testKeys(t)).username(Hashed, name, "")
	}
	ctx.RealmAliases = append(ctx.RealmAliases, Alias{From: " .", To: "corp.example"})
	for name, want := range want {
		if got := newRules(ctx, testKeys(t)).username(Hashed, name, ""); got != want {
			t.Errorf("username(%q) = %q with an alias of nothing; want %q", name, got, want)
		}
	}
}

// TestKillNobodyIsLearned: no word is hidden for an account that is nobody's.
func TestKillNobodyIsLearned(t *testing.T) {
	for _, row := range []struct{ name, account, sid, text string }{
		{"service", `LOCALHOST\Spooler`, "S-1-5-80-1-2", "Spooler"},
		{"application pool", `LOCALHOST\Intranet`, "S-1-5-82-1-2", "Intranet"},
		{"virtual machine", `LOCALHOST\Machine`, "S-1-5-83-1-2", "Machine"},
		{"window manager", `LOCALHOST\Manager`, "S-1-5-90-0-1", "Manager"},
		{"font driver", `LOCALHOST\Fonts`, "S-1-5-96-0-1", "Fonts"},
		{"a realm without a name", `ACME\`, "", `ACME\ Tools`},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := testRules(t, Windows)
			r.username(Hashed, row.account, row.sid)
			if got := r.programName(Generalised, row.text); got != row.text {
				t.Errorf("programName(%q) = %q after %q was seen; want it unchanged", row.text, got, row.account)
			}
		})
	}
}

// TestKillLongestValues: a value of 32 KiB is read, and a longer one is dropped.
func TestKillLongestValues(t *testing.T) {
	const longest = 32 << 10
	keys := testKeys(t)
	for _, row := range []struct {
		name  string
		key   Key
		level Level
		in    string // of longest bytes
		want  string
	}{
		{"account", Username, Hashed, strings.Repeat("x", longest), keys.make(purposeUser, "local:jdoe-laptop\x1f"+strings.Repeat("x", longest))},
		{"address of a person", UPN, Hashed, strings.Repeat("x", longest-2) + "@y", keys.make(purposeUPN, strings.Repeat("x", longest-2)+"@y")},
		{"serial", DeviceSerial, Hashed, strings.Repeat("x", longest), keys.make(purposeSerial, strings.Repeat("x", longest))},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := testRules(t, Linux)
			if got := tryTable[row.key](r, row.level, row.in); got != row.want {
				t.Errorf("%s of %d bytes = %q; want %q", row.key, len(row.in), got, row.want)
			}
			if got := tryTable[row.key](r, row.level, "x"+row.in); got != "" {
				t.Errorf("%s of %d bytes = %q; want it dropped", row.key, len(row.in)+1, got)
			}
		})
	}
}

// TestKillLongestSID: 256 characters of a SID are read.
func TestKillLongestSID(t *testing.T) {
	longest := "S-1-5-" + strings.Repeat("1", maxName-len("S-1-5-"))
	for in, want := range map[string]bool{longest: true, longest + "1": false, "S-1-": false, "S-1-5--1": false, "S-1-5-:": false, "S-1-5-/": false} {
		if got := validSID(in); got != want {
			t.Errorf("validSID of %d characters, %.12s = %v; want %v", len(in), in, got, want)
		}
	}
}
