package privacy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode"
)

// TestRules holds what the vectors leave open. Rows that are stricter than a
// reader might think say why in their names.
func TestRules(t *testing.T) {
	for _, row := range []struct {
		name   string
		system OS
		key    Key
		level  Level
		in     string
		want   string
	}{
		{"a bare SID of a service", Windows, Username, Hashed, "SERVICIO LOCAL|S-1-5-19", "@service"},
		{"a system account whose name nobody found", Windows, Username, Hashed, "|S-1-5-18", "@system"},
		{"uid 0", Linux, Username, Hashed, "toor|0", "@system"},
		{"uid of a service", Linux, Username, Hashed, "postgres|114", "@service"},
		{"uid of nobody", Linux, Username, Hashed, "nogroup|65534", "@service"},
		{"macOS: people begin at 501", Darwin, Username, Hashed, "_spotlight|89", "@service"},
		{"macOS: a person", Darwin, Username, Hashed, "jdoe|501", "p1.t1.h6oep7sgte27ax7jmm7uzec65m"},
		{"Windows: a number is no SID", Windows, Username, Hashed, "jdoe|0", "p1.t1.h6oep7sgte27ax7jmm7uzec65m"},
		{"a domain's root is a person", Windows, Username, Hashed, `CORP\dwm-1`, UserPseudonym(testKeys(t), testContext(Windows), `corp\DWM-1`, "")},
		{"umfd", Windows, Username, Hashed, `Font Driver Host\UMFD-0`, "@service"},
		{"dwm without a number is a person", Windows, Username, Hashed, `Window Manager\DWM-x`, UserPseudonym(testKeys(t), testContext(Windows), `window manager\dwm-x`, "")},
		{"cleartext of a system account", Windows, Username, Cleartext, `NT AUTHORITY\SYSTEM`, `NT AUTHORITY\SYSTEM`},
		{"cleartext of blanks", Linux, Username, Cleartext, " \u200b", ""},
		{"a level of another key", Linux, Username, Auto, "jdoe", ""},
		{"blanks behind the realm", Windows, Username, Hashed, `CORP\ jdoe`, "p1.t1.pa4e52qjygky4p6bz7rnfnnj3e"},
		{"UPN at cleartext must be an address", Windows, UPN, Cleartext, "John Doe", ""},
		{"UPN that begins with @", Windows, UPN, Hashed, "@corp.example.com", ""},
		{"SID role", Windows, UserSID, Hashed, "s-1-5-20", "@service"},
		{"uid never leaves", Linux, UserSID, Hashed, "1000", ""},
		{"not a SID", Windows, UserSID, Hashed, "S-1-jdoe", ""},
		{"SID at cleartext", Windows, UserSID, Cleartext, "S-1-5-21-1-2-3-1001", ""},
		{"auto: an account in it", Windows, DeviceName, Auto, "JDOE-004213", hashedDevice(testKeys(t), "JDOE-004213")},
		{"auto: two letters are no account", Windows, DeviceName, Auto, "LI-004213", "LI-004213"},
		{"auto: lower case is no machine's", Linux, DeviceName, Auto, "nb-004213", hashedDevice(testKeys(t), "NB-004213")},
		{"auto: whole names only", Windows, DeviceName, Auto, "NB-004213.corp.example.com", hashedDevice(testKeys(t), "NB-004213")},
		{"serial", Linux, DeviceSerial, Hashed, " PF-3ABC ", testKeys(t).make(purposeSerial, "pf-3abc")},
		{"tag", Linux, AssetID, Cleartext, "NB-1", "NB-1"},

		{"device path of a system file", Windows, ProgramPath, Generalised, `\Device\HarddiskVolume12\Windows\explorer.exe`, `C:\Windows\explorer.exe`},
		{"device path without a number", Windows, ProgramPath, Generalised, `\Device\HarddiskVolumeX\Windows\x.exe`, `<other>\…\x.exe`},
		{"other device", Windows, ProgramPath, Generalised, `\Device\Mup\fs01\jdoe$\x.exe`, `<other>\…\x.exe`},
		{"dot namespace", Windows, ProgramPath, Generalised, `\\.\C:\Program Files\a\x.exe`, `C:\Program Files\a\x.exe`},
		{"lower-case unc prefix", Windows, ProgramPath, Generalised, `\\?\unc\s\mary$\x.exe`, `<unc>\…\x.exe`},
		{"doubled separator before a personal folder", Windows, ProgramPath, Generalised, `C:\Windows\\Temp\mary\x.exe`, `<other>\…\x.exe`},
		{"dot at the end of a component", Windows, ProgramPath, Generalised, `C:\Windows\Temp.\mary\x.exe`, `<other>\…\x.exe`},
		{"blank behind dot-dot", Windows, ProgramPath, Generalised, `C:\Windows\.. \Users\mary\x.exe`, `<other>\…\x.exe`},
		{"deleted store apps", Windows, ProgramPath, Generalised, `C:\Program Files\WindowsApps\Deleted\x\mary.exe`, `<other>\…\mary.exe`},
		{"store apps", Windows, ProgramPath, Generalised, `C:\Program Files\WindowsApps\App_1\x.exe`, `C:\Program Files\WindowsApps\App_1\x.exe`},
		{"look-alike of a system folder", Windows, ProgramPath, Generalised, `C:\WindowsMary\x.exe`, `<other>\…\x.exe`},
		{"letter that folds to a system folder", Windows, ProgramPath, Generalised, "C:\\Window\u017f\\mary\\x.exe", `<other>\…\x.exe`},
		{"Windows on another drive", Windows, ProgramPath, Generalised, `D:\Windows\mary\x.exe`, `<other>\…\x.exe`},
		{"profiles on another drive", Windows, ProgramPath, Generalised, `d:\users\mary\x.exe`, `<user>\…\x.exe`},
		{"relative to a drive", Windows, ProgramPath, Generalised, `C:Users\mary\x.exe`, `<other>\…\x.exe`},
		{"stream of a system file", Windows, ProgramPath, Generalised, `C:\Program Files\a\x.exe:mary.exe`, `C:\Program Files\a\x.exe`},
		{"nothing but a separator", Windows, ProgramPath, Generalised, `\`, `<other>\…\`},
		{"no path", Linux, ProgramPath, Generalised, "", ""},
		{"deny list where case does not count", Darwin, ProgramPath, Generalised, "/Library/caches/mary/x", "<other>/…/x"},
		{"home where case does not count", Darwin, ProgramPath, Generalised, "/users/mary/x", "<user>/…/x"},
		{"data volume", Darwin, ProgramPath, Generalised, "/System/Volumes/Data/Applications/Foo", "<other>/…/Foo"},
		{"root", Linux, ProgramPath, Generalised, "/root/tool", "<user>/…/tool"},
		{"usr/home", Linux, ProgramPath, Generalised, "/usr/home/mary/tool", "<other>/…/tool"},
		{"dot", Linux, ProgramPath, Generalised, "/usr/./bin/tool", "<other>/…/tool"},
		{"relative", Linux, ProgramPath, Generalised, "tool", "<other>/…/tool"},
		{"a Windows path on Linux", Linux, ProgramPath, Generalised, `\\fs\mary\tool`, "<other>/…/tool"},
		{"memory file", Linux, ProgramPath, Generalised, "/memfd:mary (deleted)", "<other>/…/memfd"},
		{"8.3 form on Linux", Linux, ProgramPath, Generalised, "/opt/JOHNDO~12/x", "/opt/<id>/x"},
		{"two letters as a stem", Linux, ProgramPath, Generalised, "/usr/bin/li.sh", "/usr/bin/<id>.sh"},
		{"two letters inside a word", Linux, ProgramPath, Generalised, "/usr/bin/list", "/usr/bin/list"},
		{"cleartext path", Linux, ProgramPath, Cleartext, "/home/jdoe/x\xff", "/home/jdoe/x?"},
		{"an unknown system has no rules", OS("plan9"), ProgramPath, Generalised, `/usr/x\mary\tool`, `<other>/…/x\mary\tool`},

		{"long token inside a word", Linux, ProgramName, Generalised, "xzz-canary-7f3ax", "x<id>x"},
		{"short token beside a long one", Linux, ProgramName, Generalised, "jdoezz-canary-7f3a", "<id><id>"},
		{"possessive", Linux, ProgramName, Generalised, "Johns-Mac", "<id>-mac"},
		{"not a possessive", Linux, ProgramName, Generalised, "johnsx", "johnsx"},
		{"three letters have no possessive", Linux, ProgramName, Generalised, "doe's", "doe's"},
		{"display name in other order of signs", Linux, ProgramName, Generalised, "John_Doe tool", "<id> tool"},
		{"line break behind a name", Linux, ProgramName, Generalised, "jdoe\ntools", "<id> tools"},
		{"zero-width space in a name", Linux, ProgramName, Generalised, "jd\u200boe tools", "<id> tools"},
		{"invalid bytes", Linux, ProgramName, Generalised, "a\xff\xfe", "a\ufffd\ufffd"},
		{"no identity, unchanged", Linux, ProgramName, Generalised, "Visual Studio\u00a0Code", "Visual Studio\u00a0Code"},
		{"software is scrubbed too", Linux, Software, Cleartext, "JDoe Tools", "<id> tools"},
		{"program name dropped", Linux, ProgramName, Drop, "bash", ""},
		{"signer with a full-width @", Darwin, ProgramSigner, Generalised, "mary＠example.org", "<person>"},
		{"signer, iPhone", Darwin, ProgramSigner, Generalised, "iPhone Developer: Mary Smith", "iphone developer"},
		{"signer, clear", Darwin, ProgramSigner, Cleartext, "Mac Developer: Mary Smith", "Mac Developer: Mary Smith"},

		{"port", Linux, Domains, Generalised, "www.example.com:8443", "example.com"},
		{"address with port", Linux, Domains, Generalised, "[2001:db8::1]:443", "<ip>"},
		{"IPv4 with port", Linux, Domains, Generalised, "192.0.2.1:443", "<ip>"},
		{"hyphens in the third place", Linux, Domains, Generalised, "r3---sn-4g5e6nez.googlevideo.com", "googlevideo.com"},
		{"underscores", Linux, Domains, Generalised, "_dmarc.example.com", "example.com"},
		{"IPv6 reverse", Linux, Domains, Generalised, "1.0.ip6.arpa", "<reverse>"},
		{"a public suffix alone", Linux, Domains, Generalised, "co.uk", "<local>"},
		{"deep private suffix", Linux, Domains, Generalised, "mary.s3.dualstack.eu-west-1.amazonaws.com", "amazonaws.com"},
		{"wildcard suffix", Linux, Domains, Generalised, "a.www.shop.ck", "www.shop.ck"},
		{"wildcard suffix alone", Linux, Domains, Generalised, "shop.ck", "<local>"},
		{"exception of a wildcard", Linux, Domains, Generalised, "a.www.ck", "www.ck"},
		{"corp", Linux, Domains, Generalised, "mary.corp", "<local>"},
		{"identity in another script", Linux, Domains, Generalised, "www.анна.com", "<id-domain>"},
		{"the same in ASCII", Linux, Domains, Generalised, "www.xn--80aa2ba.com", "<id-domain>"},
		{"mail address", Linux, Domains, Generalised, "mary@example.com", ""},
		{"sentence", Linux, Domains, Generalised, "mary has a lamb", "<local>"},
		{"sentence with a dot", Linux, Domains, Generalised, "mary has a lamb.com", ""},
		{"service that announces itself", Linux, Domains, Generalised, "Mary’s Printer._ipp._tcp.local", "<local>"},
		{"odd label below a domain", Linux, Domains, Generalised, "Mary’s Printer.example.com", "example.com"},
		{"ideographic full stop", Linux, Domains, Generalised, "www。example。com", "example.com"},
		{"identity that the DNS cannot have", Linux, Domains, Generalised, "www.John Doe.com", "<id-domain>"},
		{"hashed local", Linux, Domains, Hashed, "mary.local", "<local>"},
		{"hashed", Linux, Domains, Hashed, "WWW.example.com", testKeys(t).make(purposeDomain, "example.com")},
		{"list, exact", Linux, Domains, List, "CORP.example.com.", "corp.example.com"},
		{"list, address", Linux, Domains, List, "192.0.2.1", "other"},
		{"clear", Linux, Domains, Cleartext, "WWW.Bücher.de.", "www.xn--bcher-kva.de"},

		{"unspecified", Linux, Destinations, Cleartext, "0.0.0.0", "unspecified"},
		{"loopback", Linux, Destinations, Cleartext, "::1", "loopback"},
		{"mapped loopback", Linux, Destinations, Cleartext, "::ffff:127.0.0.1", "loopback"},
		{"multicast", Linux, Destinations, Scope, "ff02::fb", "multicast"},
		{"teredo at scope", Linux, Destinations, Scope, "2001::1", "teredo"},
		{"6to4 of a corporate address", Linux, Destinations, Prefix, "2002:0a14:0101::1", "corp:hq"},
		{"NAT64 of a private address", Linux, Destinations, Cleartext, "64:ff9b::192.168.1.1", "private"},
		{"clear", Linux, Destinations, Cleartext, "2A02:8071::1", "2a02:8071::1"},
		{"address with port", Linux, Destinations, Cleartext, "192.0.2.1:443", ""},
		{"own address, clear, without its zone", Linux, LocalAddresses, Cleartext, "fe80::1%wlan-jdoe", "fe80::1"},
		{"own MAC, clear", Linux, LocalAddresses, Cleartext, "A4-CF-12-34-56-78", "a4:cf:12:34:56:78"},
		{"own host name", Linux, LocalAddresses, Cleartext, "jdoe-laptop", ""},
		{"BSSID, clear", Linux, WifiBSSID, Cleartext, "A4CF12345678", "a4:cf:12:34:56:78"},
		{"BSSID too short", Linux, WifiBSSID, Cleartext, "A4CF1234567", ""},
		{"BSSID too long", Linux, WifiBSSID, Hashed, "A4CF123456789", ""},
		{"SSID, clear", Linux, WifiSSID, Cleartext, "\xffx", "\xffx"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := testRules(t, row.system)
			if got := tryTable[row.key](r, row.level, row.in); got != row.want {
				t.Errorf("%s(%q) at %s = %q; want %q", row.key, row.in, row.level, got, row.want)
			}
		})
	}
}

// TestCanonicalFoldsAllLetters checks that letters which differ in case alone
// have one canonical form, in every script.
func TestCanonicalFoldsAllLetters(t *testing.T) {
	for c := range rune(unicode.MaxRune) {
		for d := unicode.SimpleFold(c); d > c; d = unicode.SimpleFold(d) {
			if a, b := Canonical(string(c)), Canonical(string(d)); a != b {
				t.Errorf("Canonical(%U) = %q, Canonical(%U) = %q; want one form", c, a, d, b)
			}
		}
	}
}

func TestLearn(t *testing.T) {
	r := newRules(Context{OS: Linux, Host: "h"}, testKeys(t))
	const path = "/opt/maria.rossi/tool"
	if got := r.programPath(Generalised, path); got != path {
		t.Fatalf("programPath(%q) = %q before the name is known; want it unchanged", path, got)
	}
	r.username(Drop, "ACME\\Maria.Rossi", "1002")
	if got, want := r.programPath(Generalised, path), "/opt/<id>/tool"; got != want {
		t.Errorf("programPath(%q) = %q after the name was seen; want %q", path, got, want)
	}
	r.upn(Drop, "paolo.verdi@example.org")
	if got, want := r.programName(Generalised, "paolo-verdi-cv"), "<id>-cv"; got != want {
		t.Errorf("programName = %q after the UPN was seen; want %q", got, want)
	}
	for name, sid := range map[string]string{
		"postfix": "105", "root": "0", `NT SERVICE\TrustedInstaller`: "S-1-5-80-1-2-3-4-5", `NT AUTHORITY\SYSTEM`: "S-1-5-18",
	} {
		r.username(Hashed, name, sid)
	}
	for _, path := range []string{"/usr/lib/postfix/x", "/usr/lib/system/root", "/usr/lib/TrustedInstaller"} {
		if got := r.programPath(Generalised, path); got != path {
			t.Errorf("programPath(%q) = %q; want unchanged: a system account is nobody's name", path, got)
		}
	}
}

func TestLearnIsBounded(t *testing.T) {
	r := testRules(t, Linux)
	for i := range maxLearned + 10 {
		r.learn(fmt.Sprintf("person%06d", i))
	}
	if len(r.known) > maxLearned+len(r.ctx.Identities) {
		t.Errorf("known = %d identities; want at most %d", len(r.known), maxLearned+len(r.ctx.Identities))
	}
	for in, want := range map[string]string{
		fmt.Sprintf("/opt/person%06d/x", maxLearned+9): "/opt/<id>/x", // of late
		"/opt/jdoe/x": "/opt/<id>/x", // of the context
	} {
		if got := r.programPath(Generalised, in); got != want {
			t.Errorf("programPath(%q) = %q; want %q", in, got, want)
		}
	}
	r.learn(strings.Repeat("x", maxLearnBytes+1))
	if r.tokens.finds(strings.Repeat("x", maxLearnBytes+1), false) {
		t.Error("learn took a name longer than any account's")
	}
}

func TestMachineNamesDoNotVandalise(t *testing.T) {
	r := newRules(Context{OS: Windows, Host: "DESKTOP-4F7K2QX"}, testKeys(t))
	if got, want := r.programName(Generalised, "Docker Desktop"), "Docker Desktop"; got != want {
		t.Errorf("programName(Docker Desktop) = %q; want %q", got, want)
	}
	if got, want := r.programName(Generalised, "log of DESKTOP-4F7K2QX"), "log of <id>"; got != want {
		t.Errorf("programName with the host's name = %q; want %q", got, want)
	}
	if got, want := r.programName(Generalised, "4f7k2qx"), "<id>"; got != want {
		t.Errorf("programName with the part that is the machine's = %q; want %q", got, want)
	}
	if got, want := r.deviceName(Auto, "DESKTOP-4F7K2QX"), "DESKTOP-4F7K2QX"; got != want {
		t.Errorf("deviceName of the host itself = %q; want %q", got, want)
	}
	r.learn(`CORP\4f7k2qx`)
	if got := r.deviceName(Auto, "DESKTOP-4F7K2QX"); !strings.HasPrefix(got, "p1.") {
		t.Errorf("deviceName = %q where an account has its letters; want a pseudonym", got)
	}
}

func TestBounds(t *testing.T) {
	r := testRules(t, Linux)
	for _, row := range []struct {
		name, in, want string
		key            Key
	}{
		{"long name", strings.Repeat("a b ", 100), strings.Repeat("a b ", 64), ProgramName},
		{"the cut must not make a name", strings.Repeat("a ", 126) + "jdoevil", "", ProgramName},
		{"letters of many bytes", strings.Repeat("é", 200), strings.Repeat("é", 128), ProgramName},
		{"long system path", "/usr/" + strings.Repeat("x/", 600) + "tool", "<other>/…/tool", ProgramPath},
		{"longer than any path", "/usr/bin/" + strings.Repeat("x", maxInput), "", ProgramPath},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := tryTable[row.key](r, Generalised, row.in); got != row.want {
				t.Errorf("%s of %d bytes = %q; want %q", row.key, len(row.in), got, row.want)
			}
		})
	}
}

func TestMemoIsBounded(t *testing.T) {
	var m memo[string]
	for i := range 3*memoEntries + 5 {
		m.put(Hashed, fmt.Sprint(i), "x")
	}
	if n := len(m.of[Hashed]); n > memoEntries {
		t.Errorf("memo holds %d; want at most %d", n, memoEntries)
	}
	m.put(Hashed, strings.Repeat("x", memoText+1), "x")
	if _, ok := m.get(Hashed, strings.Repeat("x", memoText+1)); ok {
		t.Error("memo keeps a long text")
	}
	m.put(Level(200), "x", "x")
	if _, ok := m.get(Level(200), "x"); ok {
		t.Error("memo keeps what an unknown level made")
	}
}

func TestMemoKnowsLevels(t *testing.T) {
	r := testRules(t, Linux)
	for range 2 {
		if got := r.username(Cleartext, "jdoe", ""); got != "jdoe" {
			t.Errorf("username at cleartext = %q; want jdoe", got)
		}
		if got := r.username(Hashed, "jdoe", ""); !strings.HasPrefix(got, "p1.") {
			t.Errorf("username at hashed = %q; want a pseudonym", got)
		}
		if got := r.username(Hashed, "jdoe", "0"); got != roleSystem {
			t.Errorf("username of uid 0 = %q; want %q", got, roleSystem)
		}
		if got := r.username(Drop, "jdoe", ""); got != "" {
			t.Errorf("username at drop = %q; want nothing", got)
		}
	}
}

// TestWarmRulesDoNotAllocate asks every rule for a value that it knows.
func TestWarmRulesDoNotAllocate(t *testing.T) {
	for _, b := range benchRules {
		r := testRules(t, b.system)
		b.run(r)
		if n := testing.AllocsPerRun(100, func() { b.run(r) }); n != 0 {
			t.Errorf("%s, warm: %v allocations; want 0", b.name, n)
		}
	}
}

func TestNothingPrints(t *testing.T) {
	ctx := TryContext{Host: "secret-host", Identities: []string{"secret-name"}, PseudonymKeyHex: fmt.Sprintf("%x", testSecret())}
	trial, err := NewTrial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := newRules(Context{Host: "secret-host", Identities: []string{"secret-name"}}, testKeys(t))
	r.username(Cleartext, "secret-user", "")
	var log bytes.Buffer
	for name, v := range map[string]any{"rules": r, "context": r.ctx, "&context": &r.ctx, "keys": r.keys, "try context": ctx, "trial": trial} {
		log.Reset()
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		text, _ := json.Marshal(v)
		if name == "try context" {
			text = nil // it is what a file says; no code writes one
		}
		out := fmt.Sprintf("%v %+v %#v %s %x %q %d", v, v, v, v, v, v, v) + log.String() + string(text)
		if strings.Contains(out, "secret") || strings.Contains(out, "736563726574") || !strings.Contains(out, redactedText) {
			t.Errorf("%s prints as %.200s; want only %s", name, out, redactedText)
		}
	}
}
