package privacy

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// badText says why s cannot be a text of class k; "" where it can. NumKeys
// stands for PLAIN. An empty text is one that is not there.
func (p *Policy) badText(k Key, s string) string {
	switch {
	case s == "":
		return ""
	case len(s) > maxText:
		return whyTooLong
	case !utf8.ValidString(s):
		return whyNotText
	case k == NumKeys:
		return ""
	}
	l := p.Level(k)
	if l == Drop {
		return whyDropped
	}
	if !plausible(k, l, s) {
		return whyForm
	}
	return ""
}

// badBytes is badText for bytes.
func (p *Policy) badBytes(k Key, b []byte) string {
	switch {
	case len(b) == 0:
		return ""
	case len(b) > maxText:
		return whyTooLong
	case k == NumKeys:
		return ""
	}
	ok := false
	switch l := p.Level(k); {
	case l == Drop:
		return whyDropped
	case k == ProgramSHA256:
		ok = len(b) == 32
	case k == WifiSSID && l == Label:
		ok = string(b) == "corporate" || string(b) == "other"
	case k == WifiSSID && l == Hashed:
		ok = pseudonym(b)
	case k == WifiSSID:
		ok = len(b) <= 32 // IEEE 802.11-2020 9.4.2.2
	}
	if !ok {
		return whyForm
	}
	return ""
}

// plausible reports whether a value of class k can have left at level l, as far
// as its form tells.
func plausible(k Key, l Level, s string) bool {
	switch k {
	case LocalAddresses, Destinations:
		return plausibleAddress(l, s)
	case Domains:
		return plausibleDomain(l, s)
	case WifiBSSID:
		return plausibleBSSID(l, s)
	}
	switch l {
	case Hashed:
		return pseudonym(s) || (k == Username || k == UserSID) && role(s)
	case Auto:
		return pseudonym(s) || factoryName(s)
	case Generalised:
		switch k {
		case ProgramPath:
			return plausiblePath(s)
		case ProgramSigner:
			return !strings.Contains(s, "@")
		}
	}
	return true
}

func role(s string) bool { return s == "@system" || s == "@service" }

// pseudonym reports whether s is p1., a key id of 1 to 16 letters and digits, a
// dot, and 26 digits of base32.
func pseudonym[T ~string | ~[]byte](s T) bool {
	const version, digits = "p1.", 26
	id := len(s) - len(version) - 1 - digits
	if id < 1 || id > 16 || string(s[:len(version)]) != version || s[len(version)+id] != '.' {
		return false
	}
	for i := range id {
		if c := s[len(version)+i]; !lower(c) && !digit(c) {
			return false
		}
	}
	for i := len(s) - digits; i < len(s); i++ {
		if c := s[i]; !lower(c) && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

func lower(c byte) bool { return 'a' <= c && c <= 'z' }
func upper(c byte) bool { return 'A' <= c && c <= 'Z' }
func digit(c byte) bool { return '0' <= c && c <= '9' }

// factoryName reports whether a device name is one that says nothing of a
// person: DESKTOP-, LAPTOP- or WIN- and 7 to 11 capitals and digits, or 2 to 4
// capitals, an optional hyphen and 4 to 10 digits.
func factoryName(s string) bool {
	for _, start := range []string{"DESKTOP-", "LAPTOP-", "WIN-"} {
		if rest, ok := strings.CutPrefix(s, start); ok && len(rest) >= 7 && len(rest) <= 11 && only(rest, upper, digit) {
			return true
		}
	}
	n := 0
	for n < len(s) && upper(s[n]) {
		n++
	}
	rest := strings.TrimPrefix(s[n:], "-")
	return n >= 2 && n <= 4 && len(rest) >= 4 && len(rest) <= 10 && only(rest, digit)
}

// only reports whether each byte of s is of one of the classes.
func only(s string, classes ...func(byte) bool) bool {
	for i := range len(s) {
		ok := false
		for _, is := range classes {
			ok = ok || is(s[i])
		}
		if !ok {
			return false
		}
	}
	return true
}

// plausibleAddress covers both own addresses and those at the other end.
func plausibleAddress(l Level, s string) bool {
	switch s {
	case "public":
		return l == Scope
	case "private", "loopback", "link-local", "multicast", "unspecified", "teredo":
		return true
	}
	if label, ok := strings.CutPrefix(s, "corp:"); ok {
		return label != ""
	}
	switch l {
	case Prefix:
		net, err := netip.ParsePrefix(s)
		return err == nil && net == net.Masked() && (net.Addr().Is4() && net.Bits() <= 24 || net.Addr().Is6() && net.Bits() <= 48)
	case Cleartext:
		a, err := netip.ParseAddr(s)
		return err == nil && a.Zone() == "" || hardwareAddress(s, 6)
	}
	return false
}

// hardwareAddress reports whether s is n octets in lower-case hexadecimal with
// colons.
func hardwareAddress(s string, n int) bool {
	if len(s) != 3*n-1 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if i%3 == 2 && c != ':' || i%3 != 2 && !digit(c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func plausibleBSSID(l Level, s string) bool {
	switch l {
	case Generalised:
		return s == "local-admin" || hardwareAddress(s, 3)
	case Hashed:
		return pseudonym(s)
	}
	return hardwareAddress(s, 6)
}

func plausibleDomain(l Level, s string) bool {
	word := s == "<ip>" || s == "<local>" || s == "<reverse>" || s == "<id-domain>"
	switch l {
	case List:
		return s == "other" || hostName(s)
	case Generalised:
		return word || hostName(s) && strings.Count(s, ".") >= 1
	case Hashed:
		return word || pseudonym(s)
	}
	return true
}

// hostName reports whether s is a name in ASCII and lower case.
func hostName(s string) bool {
	return len(s) <= 253 && only(s, lower, digit, func(c byte) bool { return c == '.' || c == '-' || c == '_' })
}

// peopleRoots are the beginnings, in lower case and with slashes, of paths that
// belong to a person. systemRoots are those of paths that belong to none.
var (
	peopleRoots = []string{"/home/", "/users/", "/root/", "/var/home/", "/run/user/", "/export/home/", "/system/volumes/data/users/", "/mnt/c/users/"}
	systemRoots = []string{"/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt", "/snap", "/nix/store", "/system", "/library", "/applications", "/var/lib/flatpak",
		"c:/windows", "c:/program files", "c:/program files (x86)", "c:/programdata/microsoft/windows defender"}
)

// plausiblePath reports whether a generalised path lies below a root of the
// system or is cut to its last part. Where a name was taken out of it, the name
// may have been a part of the root.
func plausiblePath(s string) bool {
	for _, cutTo := range []string{"<user>", "<other>", "<unc>"} {
		if rest, ok := strings.CutPrefix(s, cutTo); ok {
			return strings.HasPrefix(rest, "/…") || strings.HasPrefix(rest, `\…`)
		}
	}
	for _, root := range peopleRoots {
		if below(s, root) {
			return false
		}
	}
	for _, root := range systemRoots {
		if below(s, root) && (len(s) == len(root) || s[len(root)] == '/' || s[len(root)] == '\\') {
			return true
		}
	}
	return strings.Contains(s, "<id>")
}

// below reports whether s begins with root, whatever the case and the slashes.
func below(s, root string) bool {
	if len(s) < len(root) {
		return false
	}
	for i := range len(root) {
		c := s[i]
		switch {
		case c == '\\':
			c = '/'
		case upper(c):
			c |= 0x20
		}
		if c != root[i] {
			return false
		}
	}
	return true
}
