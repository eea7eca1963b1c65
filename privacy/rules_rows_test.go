package privacy

// ruleRow is a value and what may leave of it.
type ruleRow struct {
	name   string
	system OS
	key    Key
	level  Level
	in     string
	want   string
}

// ruleRows holds what the vectors leave open.
func ruleRows(keys *Pseudonyms) (rows []ruleRow) {
	rows = append(rows, nameRows(keys)...)
	rows = append(rows, pathRows...)
	rows = append(rows, programRows...)
	return append(rows, networkRows(keys)...)
}

func nameRows(keys *Pseudonyms) []ruleRow {
	win := testContext(Windows)
	return []ruleRow{
		{"a bare SID of a service", Windows, Username, Hashed, "SERVICIO LOCAL|S-1-5-19", "@service"},
		{"a system account whose name nobody found", Windows, Username, Hashed, "|S-1-5-18", "@system"},
		{"uid 0", Linux, Username, Hashed, "toor|0", "@system"},
		{"uid of a service", Linux, Username, Hashed, "postgres|114", "@service"},
		{"the last uid of a service", Linux, Username, Hashed, "dnsmasq|999", "@service"},
		{"the first uid of a person", Linux, Username, Hashed, "jdoe|1000", "p1.t1.h6oep7sgte27ax7jmm7uzec65m"},
		{"an @ with nothing behind it", Windows, Username, Hashed, `CORP\jdoe@`, keys.make(purposeUser, "corp.example\x1fjdoe@")},
		{"uid of nobody", Linux, Username, Hashed, "nogroup|65534", "@service"},
		{"macOS: people begin at 501", Darwin, Username, Hashed, "_spotlight|89", "@service"},
		{"macOS: a person", Darwin, Username, Hashed, "jdoe|501", "p1.t1.h6oep7sgte27ax7jmm7uzec65m"},
		{"Windows: a number is no SID", Windows, Username, Hashed, "jdoe|0", "p1.t1.h6oep7sgte27ax7jmm7uzec65m"},
		{"a domain's root is a person", Windows, Username, Hashed, `CORP\dwm-1`, UserPseudonym(keys, win, `corp\DWM-1`, "")},
		{"umfd", Windows, Username, Hashed, `Font Driver Host\UMFD-0`, "@service"},
		{"dwm without a number is a person", Windows, Username, Hashed, `Window Manager\DWM-x`, UserPseudonym(keys, win, `window manager\dwm-x`, "")},
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
		{"auto: an account in it", Windows, DeviceName, Auto, "JDOE-004213", hashedDevice(keys, "JDOE-004213")},
		{"auto: two letters are no account", Windows, DeviceName, Auto, "LI-004213", "LI-004213"},
		{"auto: lower case is no machine's", Linux, DeviceName, Auto, "nb-004213", hashedDevice(keys, "NB-004213")},
		{"auto: whole names only", Windows, DeviceName, Auto, "NB-004213.corp.example.com", hashedDevice(keys, "NB-004213")},
		{"serial", Linux, DeviceSerial, Hashed, " PF-3ABC ", keys.make(purposeSerial, "pf-3abc")},
		{"tag", Linux, AssetID, Cleartext, "NB-1", "NB-1"},
	}
}

var pathRows = []ruleRow{
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
	{"usr/local/home", Linux, ProgramPath, Generalised, "/usr/local/home/mary/tool", "<other>/…/tool"},
	{"export/home", Linux, ProgramPath, Generalised, "/export/home/mary/tool", "<user>/…/tool"},
	{"opt/homes", Linux, ProgramPath, Generalised, "/opt/homes/mary/tool", "<other>/…/tool"},
	{"look-alike of a home", Linux, ProgramPath, Generalised, "/homes/mary/tool", "<other>/…/tool"},
	{"dot", Linux, ProgramPath, Generalised, "/usr/./bin/tool", "<other>/…/tool"},
	{"relative", Linux, ProgramPath, Generalised, "tool", "<other>/…/tool"},
	{"a Windows path on Linux", Linux, ProgramPath, Generalised, `\\fs\mary\tool`, "<other>/…/tool"},
	{"memory file", Linux, ProgramPath, Generalised, "/memfd:mary (deleted)", "<other>/…/memfd"},
	{"8.3 form on Linux", Linux, ProgramPath, Generalised, "/opt/JOHNDO~12/x", "/opt/<id>/x"},
	{"two letters as a stem", Linux, ProgramPath, Generalised, "/usr/bin/li.sh", "/usr/bin/<id>.sh"},
	{"two letters inside a word", Linux, ProgramPath, Generalised, "/usr/bin/list", "/usr/bin/list"},
	{"cleartext path", Linux, ProgramPath, Cleartext, "/home/jdoe/x\xff", "/home/jdoe/x?"},
	{"an unknown system has no rules", OS("plan9"), ProgramPath, Generalised, `/usr/x\mary\tool`, `<other>/…/x\mary\tool`},
}

var programRows = []ruleRow{
	{"long token inside a word", Linux, ProgramName, Generalised, "xzz-canary-7f3ax", "x<id>x"},
	{"short token beside a long one", Linux, ProgramName, Generalised, "jdoezz-canary-7f3a", "<id><id>"},
	{"two letters behind a long token", Linux, ProgramPath, Generalised, "/opt/zz-canary-7f3ali/x", "/opt/<id>li/x"},
	{"two letters before a long token", Linux, ProgramPath, Generalised, "/opt/lizz-canary-7f3a/x", "/opt/li<id>/x"},
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
}

func networkRows(keys *Pseudonyms) []ruleRow {
	return []ruleRow{
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
		{"hashed", Linux, Domains, Hashed, "WWW.example.com", keys.make(purposeDomain, "example.com")},
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
		{"BSSID, every local second digit", Linux, WifiBSSID, Generalised, "AF:00:00:00:00:00", "local-admin"},
		{"BSSID, clear", Linux, WifiBSSID, Cleartext, "A4CF12345678", "a4:cf:12:34:56:78"},
		{"BSSID too short", Linux, WifiBSSID, Cleartext, "A4CF1234567", ""},
		{"BSSID too long", Linux, WifiBSSID, Hashed, "A4CF123456789", ""},
		{"SSID, clear", Linux, WifiSSID, Cleartext, "\xffx", "\xffx"},
	}
}
