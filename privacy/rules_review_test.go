package privacy

import "testing"

// TestSiblingsOfTheVectors holds values of the kinds of the vectors, as a
// review invented them.
func TestSiblingsOfTheVectors(t *testing.T) {
	keys := testKeys(t)
	hash := func(p purpose, canon string) string { return keys.make(p, canon) }
	jdoe, corp := "p1.t1.h6oep7sgte27ax7jmm7uzec65m", "p1.t1.pa4e52qjygky4p6bz7rnfnnj3e"
	for _, row := range []ruleRow{
		{"UPN realm in capitals behind AzureAD", Windows, Username, Hashed, `AZUREAD\JDoe@CORP.EXAMPLE.COM.`, corp},
		{"slash between realm and name", Linux, Username, Hashed, "corp/jdoe", corp},
		{"local, full-width backslash", Windows, Username, Hashed, "．＼jdoe", jdoe},
		{"host behind an @", Linux, Username, Hashed, "jdoe@jdoe-laptop", jdoe},
		{"a plus tag is of the name", Windows, Username, Hashed, "jdoe+news@corp.example.com", hash(purposeUser, "corp.example\x1fjdoe+news")},
		{"winbind with a blank and case", Linux, Username, Hashed, "corp + jdoe", hash(purposeUser, "corp.example\x1fjdoe")},
		{"unknown realm before a plus", Linux, Username, Hashed, "acme+jdoe", hash(purposeUser, "local:jdoe-laptop\x1facme+jdoe")},
		{"right-to-left mark", Linux, Username, Hashed, "\u202ejdoe\u202c", jdoe},
		{"machine account", Windows, Username, Hashed, `CORP\JDOE-LAPTOP$`, hash(purposeUser, "corp.example\x1fjdoe-laptop$")},
		{"numeric name", Linux, Username, Hashed, "1001", hash(purposeUser, "local:jdoe-laptop\x1f1001")},
		{"nothing before the realm", Linux, Username, Hashed, "@corp.example.com", hash(purposeUser, "local:jdoe-laptop\x1f@corp.example.com")},
		{"a domain's system is a person", Windows, Username, Hashed, `CORP\SYSTEM`, hash(purposeUser, "corp.example\x1fsystem")},
		{"service", Windows, Username, Hashed, `NT SERVICE\nobody`, "@service"},
		{"the host's root", Linux, Username, Hashed, "root@JDOE-LAPTOP", "@system"},
		{"UPN with a plus tag and its own key", Windows, UPN, Hashed, "JDoe+News@CORP.example.com", hash(purposeUPN, "jdoe+news@corp.example.com")},

		{"mock of a system folder", Windows, ProgramPath, Generalised, `C:\Windows \System32\mary\x.exe`, `<other>\…\x.exe`},
		{"dot behind a system folder", Windows, ProgramPath, Generalised, `C:\Program Files.\mary\x.exe`, `<other>\…\x.exe`},
		{"stream of a folder", Windows, ProgramPath, Generalised, `C:\Windows\Temp::$INDEX_ALLOCATION\mary\x.exe`, `<other>\…\x.exe`},
		{"offline files", Windows, ProgramPath, Generalised, `C:\Windows\CSC\v2.0.6\namespace\fs\mary$\x.exe`, `<other>\…\x.exe`},
		{"volume by its identifier", Windows, ProgramPath, Generalised, `\\?\Volume{4c1b02c1-d990-11dc-99ae-806e6f6e6963}\Users\mary\x.exe`, `<other>\…\x.exe`},
		{"public profile", Windows, ProgramPath, Generalised, `C:\Users\Public\x.exe`, `<user>\…\x.exe`},
		{"share by address", Windows, ProgramPath, Generalised, `//203.0.113.5/c$/users/mary/x.exe`, `<unc>\…\x.exe`},
		{"WebDAV", Windows, ProgramPath, Generalised, `\\dav@SSL\DavWWWRoot\mary\x.exe`, `<unc>\…\x.exe`},
		{"vendor with an ampersand", Windows, ProgramPath, Generalised, `C:\Program Files (x86)\A & B\x.exe`, `C:\Program Files (x86)\A & B\x.exe`},
		{"shared macOS folder", Darwin, ProgramPath, Generalised, "/Users/Shared/x", "<user>/…/x"},
		{"file URI", Linux, ProgramPath, Generalised, "file:///home/mary/x", "<other>/…/x"},
		{"relative, with folders", Linux, ProgramPath, Generalised, "mary/bin/x", "<other>/…/x"},
		{"a Windows path with both separators", Linux, ProgramPath, Generalised, `C:\Users\mary/x\y`, "<other>/…/y"},
		{"Cygwin", Windows, ProgramPath, Generalised, "/cygdrive/c/Users/mary/x.exe", `<other>\…\x.exe`},
		{"process table", Linux, ProgramPath, Generalised, "/proc/1234/root/home/mary/x", "<other>/…/x"},
		{"home of a snap", Linux, ProgramPath, Generalised, "/home/mary/snap/x/1/x", "<user>/…/x"},
		{"snap", Linux, ProgramPath, Generalised, "/snap/firefox/1/usr/lib/firefox/firefox", "/snap/firefox/1/usr/lib/firefox/firefox"},
		{"AFS", Linux, ProgramPath, Generalised, "/afs/example.org/user/m/mary/x", "<other>/…/x"},
		{"homes below opt", Linux, ProgramPath, Generalised, "/opt/users/mary/x", "<other>/…/x"},
		{"homes below usr", Linux, ProgramPath, Generalised, "/usr/users/mary/x", "<other>/…/x"},
		{"decomposed name", Darwin, ProgramPath, Generalised, "/Applications/JDo\u0065 Tools.app/x", "/applications/<id> tools.app/x"},
		{"percent escapes in a path", Linux, ProgramPath, Generalised, "/opt/%D0%B0%D0%BD%D0%BD%D0%B0/tool", "/opt/<id>/tool"},
		{"escaped twice", Linux, ProgramName, Generalised, "j%2564oe tool", "<id> tool"},
		{"escapes of nobody stay", Linux, ProgramName, Generalised, "100%25 %zz %4", "100%25 %zz %4"},
		{"a mark and an escape", Linux, ProgramName, Generalised, "jdoe j%64oe", "<id> <id>"},
		{"8.3 form in a name", Windows, ProgramName, Generalised, "JOHNDO~1.EXE", "<id>.exe"},
		{"8.3 form behind a name of its length", Linux, ProgramName, Generalised, "johndoeJOHNDO~1", "<id><id>"},
		{"last name first", Windows, ProgramName, Generalised, "Doe, John", "doe, <id>"},

		{"personal certificate in a subject", Darwin, ProgramSigner, Generalised, "UID=X, CN = Mac Developer: Mary Smith (X)", "mac developer"},
		{"the same, quoted", Darwin, ProgramSigner, Generalised, `OU=X, CN="Apple Development: Mary Smith (X)"`, "apple development"},
		{"not a personal one", Darwin, ProgramSigner, Generalised, "CN=3rd Party Mac Developer Application: Acme", "CN=3rd Party Mac Developer Application: Acme"},

		{"auto: the host's words where a person made them", Windows, DeviceName, Auto, "LAPTOP-4F7K2QX", hashedDevice(keys, "LAPTOP-4F7K2QX")},
		{"auto: fifteen characters", Windows, DeviceName, Auto, "WIN-ABCDEFGHIJK", "WIN-ABCDEFGHIJK"},
		{"auto: too long for a machine's", Windows, DeviceName, Auto, "WIN-ABCDEFGHIJKL", hashedDevice(keys, "WIN-ABCDEFGHIJKL")},

		{"compatible address next door", Linux, Destinations, Cleartext, "::192.168.1.1", "private"},
		{"translated address next door", Linux, Destinations, Cleartext, "::ffff:0:192.168.1.1", "private"},
		{"local NAT64", Linux, Destinations, Cleartext, "64:ff9b:1::192.168.1.1", "private"},
		{"local NAT64 of a public address", Linux, Destinations, Prefix, "64:ff9b:1::203.0.113.77", "203.0.113.0/24"},
		{"local NAT64 of another length", Linux, Destinations, Cleartext, "64:ff9b:1:cb00:71:4d00::", "private"},
		{"site-local", Linux, Destinations, Cleartext, "fec0::1", "private"},
		{"broadcast", Linux, Destinations, Scope, "255.255.255.255", "public"},
		{"own mapped address", Linux, LocalAddresses, Scope, "::ffff:192.168.1.1", "private"},

		{"reverse zone of services", Linux, Domains, Generalised, "lb._dns-sd._udp.0.178.168.192.in-addr.arpa.", "<reverse>"},
		{"wildcard", Linux, Domains, Generalised, "*.mary.github.io", "github.io"},
		{"link", Linux, Domains, Generalised, "https://www.example.com/mary", "<local>"},
		{"look-alike of fritz.box", Linux, Domains, Generalised, "mary.nofritz.box", "nofritz.box"},
		{"two letters are all of a domain", Linux, Domains, Generalised, "www.li.com", "<id-domain>"},
		{"escaped identity", Linux, Domains, List, "j%64oe.corp.example.com", "corp.example.com"},

		{"BSSID without separators", Linux, WifiBSSID, Hashed, "A4CF12345678", "p1.t1.gs3eqfsvauctjhj62da63msoym"},
		{"multicast BSSID", Linux, WifiBSSID, Generalised, "01:00:5e:00:00:fb", "01:00:5e"},
		{"SSID with a blank behind it", Linux, WifiSSID, Label, "CORP-WIFI ", "other"},
		{"SSID of octets that are nothing", Linux, WifiSSID, Label, "\x00\x00", "other"},
		{"SSID with _nomap", Linux, WifiSSID, Label, "CORP-WIFI_nomap", "other"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := tryTable[row.key](testRules(t, row.system), row.level, row.in); got != row.want {
				t.Errorf("%s(%q) at %s = %q; want %q", row.key, row.in, row.level, got, row.want)
			}
		})
	}
}

// TestHostLendsNoCommonWords: the domain behind a host's name is the company's,
// or a word that every path has.
func TestHostLendsNoCommonWords(t *testing.T) {
	for _, row := range []struct{ name, host, in, want string }{
		{"a Mac's own domain", "Johns-Air.local", "/usr/local/bin/x", "/usr/local/bin/x"},
		{"its name", "Johns-Air.local", "/opt/johns-air/x", "/opt/<id>/x"},
		{"all of it", "Johns-Air.local", "/opt/Johns-Air.local/x", "/opt/<id>/x"},
		{"the company's domain", "pc7.acme.example", "/opt/acme/x", "/opt/acme/x"},
		{"a machine's name with a domain", "DESKTOP-4F7K2QX.acme.example", "/usr/share/desktop/x", "/usr/share/desktop/x"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRules(Context{OS: Linux, Host: row.host}, nil)
			if got := r.programPath(Generalised, row.in); got != row.want {
				t.Errorf("programPath(%q) = %q; want %q", row.in, got, row.want)
			}
		})
	}
}

func TestOwnMachineNameStaysClear(t *testing.T) {
	for _, host := range []string{"LAPTOP-4F7K2QX", "desktop-4f7k2qx.acme.example", "NB-004213"} {
		r := newRules(Context{OS: Windows, Host: host}, testKeys(t))
		for _, name := range []string{"LAPTOP-4F7K2QX", "DESKTOP-4F7K2QX", "NB-004213"} {
			if got := r.deviceName(Auto, name); got != name {
				t.Errorf("on %s, deviceName(%q) = %q; want it clear", host, name, got)
			}
		}
	}
}

// TestNetBIOSHost: Windows names a host of many letters by the first fifteen.
func TestNetBIOSHost(t *testing.T) {
	keys := testKeys(t)
	r := newRules(Context{OS: Windows, Host: "Finance-Department-07.acme.example"}, keys)
	local := r.username(Hashed, "mary", "")
	for _, name := range []string{`FINANCE-DEPARTM\mary`, `FINANCE-DEPARTMENT-07\mary`, `.\mary`} {
		if got := r.username(Hashed, name, ""); got != local {
			t.Errorf("username(%q) = %q; want %q", name, got, local)
		}
	}
	for _, name := range []string{`FINANCE-DEPART\mary`, `FINANCE-DEPARTME\mary`} {
		if got := r.username(Hashed, name, ""); got == local {
			t.Errorf("username(%q) is local; want the account of another realm", name)
		}
	}
}

// TestWinbindIdentityOfTheContext: the name behind the plus is known from the
// first event on.
func TestWinbindIdentityOfTheContext(t *testing.T) {
	ctx := Context{OS: Linux, Host: "pc7", Identities: []string{"CORP+mary"}, RealmAliases: []Alias{{"corp", "corp.example"}}}
	if got := newRules(ctx, nil).programPath(Generalised, "/opt/mary/x"); got != "/opt/<id>/x" {
		t.Errorf("programPath = %q; want /opt/<id>/x", got)
	}
}
