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
		return pseudonym(s) || machinePattern.MatchString(s) || assetPattern.MatchString(s)
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
func digit(c byte) bool { return '0' <= c && c <= '9' }

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
		if hardwareAddress(s, 6) {
			return true
		}
		a, err := netip.ParseAddr(s)
		return err == nil && a.Zone() == ""
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
		if hostName(s) {
			return true
		}
		_, err := netip.ParseAddr(s)
		return err == nil
	case Generalised:
		return word || hostName(s) && strings.Contains(s, ".")
	case Hashed:
		return word || pseudonym(s)
	}
	return true
}

// plausiblePath reports whether a generalised path is cut to its last part or
// lies below a directory of some system. Where a name was taken out of it, the
// name may have been a part of that directory.
func plausiblePath(s string) bool {
	for _, place := range [...]string{placeUser, placeOther, placeShare} {
		if rest, ok := strings.CutPrefix(s, place); ok {
			return strings.HasPrefix(rest, "/…/") || strings.HasPrefix(rest, `\…\`)
		}
	}
	if within(s, windowsSystem) || within(s, unixSystem) {
		return true
	}
	drive := len(s) > 1 && s[1] == ':' && within(s[1:], windowsUsers)
	return strings.Contains(s, "<id>") && !drive && !within(s, unixUsers)
}

// within reports whether a path lies in one of the directories, whatever the
// case and the slashes.
func within(path string, dirs []string) bool {
	for _, dir := range dirs {
		if rest, ok := afterDir(path, dir); ok && separated(rest) {
			return true
		}
	}
	return false
}

// afterDir returns what follows dir in a path that begins with it.
func afterDir(path, dir string) (rest string, ok bool) {
	for i := range len(dir) {
		switch c := dir[i]; {
		case c == '/' || c == '\\':
			if !separated(path) {
				return "", false
			}
			path = strings.TrimLeft(path, ` .\/`)
		case path == "" || foldASCII(path[0]) != foldASCII(c):
			return "", false
		default:
			path = path[1:]
		}
	}
	return path, true
}

// separated reports whether path goes on with a separator. To Windows a doubled
// one is one, and blanks and dots before it are none.
func separated(path string) bool {
	rest := strings.TrimLeft(path, " .")
	return rest != "" && (rest[0] == '/' || rest[0] == '\\')
}

func foldASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
