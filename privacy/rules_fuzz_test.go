package privacy

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

var systems = []OS{Linux, Windows, Darwin}

// seeded are names that the device knows, and leaked what must not be found of
// them in canonical text. It is written apart from the scrub.
var (
	seeded = []string{
		"jdoe", "zz-canary-7f3a", "john.doe", "John Doe", "JohnDoe", "john_doe", "john-doe", "Анна", "JDOE-LAPTOP",
		"john.doe@corp.example.com", `CORP\jdoe`, "JOHNDO~1", "ZZCANA~2", "Johns",
	}
	leaked = regexp.MustCompile(`zz-canary-7f3a|zz.?canary.?7f3a|john[ ._-]doe|jdoe[ ._-]?laptop|johndo~[0-9]|zzcana~[0-9]` +
		`|(^|[^\pL\p{Nd}])(jdoe|johndoe|john|анна|canary|7f3a|laptop|jdoe~[0-9]+)s?([^\pL\p{Nd}]|$)`)
	marks = strings.NewReplacer("<user>", "", "<other>", "", "<unc>", "", "<id>", " ", "<person>", "", "<id-domain>", "", "<local>", "", "<ip>", "", "<reverse>", "")
	shape = regexp.MustCompile(`^(p1\.t1\.[a-z2-7]{26}|@system|@service|<local>|<ip>|<reverse>|<id-domain>|)$`)
)

// spell writes a name as some program might.
func spell(name string, form uint8) string {
	switch form % 8 {
	case 1:
		return strings.ToUpper(name)
	case 2:
		return strings.ToLower(name)
	case 3:
		return width.Widen.String(name)
	case 4:
		return norm.NFD.String(name)
	case 5:
		return strings.ReplaceAll(name, "o", "\u200do")
	case 6:
		return norm.NFD.String(strings.ToTitle(name))
	case 7:
		var b strings.Builder
		for i := range len(name) {
			fmt.Fprintf(&b, "%%%02x", name[i])
		}
		return b.String()
	}
	return name
}

// scrubbed are the rules whose outputs hold no identity, with a level.
var scrubbed = []struct {
	key   Key
	level Level
}{
	{ProgramName, Generalised}, {ProgramPath, Generalised}, {ProgramSigner, Generalised}, {Software, Cleartext},
	{Domains, Generalised}, {Domains, List}, {Destinations, Cleartext}, {LocalAddresses, Scope},
	{DeviceName, Auto}, {WifiSSID, Label}, {WifiBSSID, Cleartext}, {UserSID, Hashed}, {ProgramSHA256, Cleartext},
}

func FuzzNoIdentityLeaves(f *testing.F) {
	for i := range seeded {
		f.Add("/opt/", "/tool", uint8(i), uint8(i))
		f.Add(`C:\Program Files\`, `-x.exe`, uint8(i), uint8(i+1))
		f.Add("/home/x/", "_notes (deleted)", uint8(i), uint8(i+2))
		f.Add("www.", ".com", uint8(i), uint8(i+3))
		f.Add("CN=", "\n1", uint8(i), uint8(i+4))
		f.Add(strings.Repeat("x/", 600), strings.Repeat("y", 600), uint8(i), uint8(i+5))
	}
	byOS := make(map[OS]*rules)
	for _, system := range systems {
		byOS[system] = testRules(f, system)
		byOS[system].frozen = true
	}
	f.Fuzz(func(t *testing.T, before, after string, which, form uint8) {
		in := before + spell(seeded[int(which)%len(seeded)], form) + after
		for _, system := range systems {
			for _, s := range scrubbed {
				out := tryTable[s.key](byOS[system], s.level, in)
				for _, read := range []string{out, plainly(out)} {
					if found := leaked.FindString(Canonical(marks.Replace(read))); found != "" && !listed(s.level, out) {
						t.Errorf("%s: %s(%q) at %s = %q; want nothing like %q in it", system, s.key, in, s.level, out, found)
					}
				}
			}
		}
	})
}

// escape is a byte in percent escapes.
var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// plainly reads percent escapes, as a browser does.
func plainly(s string) string {
	return escape.ReplaceAllStringFunc(s, func(e string) string {
		var c byte
		fmt.Sscanf(e, "%%%02x", &c)
		return string([]byte{c})
	})
}

// listed reports that out is an entry of the company's own list.
func listed(l Level, out string) bool { return l == List && out == "corp.example.com" }

func FuzzEveryRule(f *testing.F) {
	for _, v := range vectors(f) {
		key, _ := ParseKey(v.field)
		for l := range numLevels {
			f.Add(v.in, uint8(key), uint8(l))
		}
	}
	f.Add(strings.Repeat("\u202e\x00\xff", 30000), uint8(ProgramPath), uint8(Generalised))
	f.Fuzz(func(t *testing.T, in string, key, level uint8) {
		k, l := Key(key%uint8(NumKeys)), Level(level)
		switch k {
		case Processes, Connections, SummaryInterval, FocusTime, UserActivity, Logons:
			return // no rule of values
		}
		for _, system := range systems {
			r := testRules(t, system)
			out := tryTable[k](r, l, in)
			if again := tryTable[k](r, l, in); again != out {
				t.Errorf("%s: second %s(%q) at %s = %q; want %q", system, k, in, l, again, out)
			}
			if !k.Allows(l) && out != "" {
				t.Errorf("%s: %s(%q) at level %d = %q; want dropped", system, k, in, level, out)
			}
			if len(out) > maxPath || k != ProgramPath && len(out) > maxName+len("corp:") {
				t.Errorf("%s: %s of %d bytes at %s has %d bytes", system, k, len(in), l, len(out))
			}
			if !utf8.ValidString(out) && k != WifiSSID {
				t.Errorf("%s: %s(%q) at %s = %q; want valid text", system, k, in, l, out)
			}
			if l == Hashed && !shape.MatchString(out) {
				t.Errorf("%s: %s(%q) hashed = %q; want the one shape", system, k, in, out)
			}
			if l == Drop && out != "" {
				t.Errorf("%s: %s(%q) dropped = %q; want nothing", system, k, in, out)
			}
		}
	})
}

func FuzzUsername(f *testing.F) {
	for _, v := range vectors(f) {
		if v.field == "username" {
			f.Add(v.in, "")
		}
	}
	f.Add("x", "S-1-5-18")
	f.Add("x", "1000")
	f.Fuzz(func(t *testing.T, name, sid string) {
		for _, system := range systems {
			r := testRules(t, system)
			out := r.username(Hashed, name, sid)
			if !shape.MatchString(out) || strings.HasPrefix(out, "<") {
				t.Errorf("%s: username(%q, %q) = %q; want the one shape", system, name, sid, out)
			}
			if got := UserPseudonym(testKeys(t), testContext(system), name, sid); got != out {
				t.Errorf("%s: UserPseudonym(%q, %q) = %q; want %q as the filter", system, name, sid, got, out)
			}
			if got := r.username(Hashed, "\u200b"+name, sid); len(name) < maxInput-8 && got != out {
				t.Errorf("%s: username of %q after a zero-width space = %q; want %q", system, name, got, out)
			}
			// A learned person is known to the scrub.
			user := r.accounts.parse(name, sid)
			known := utf8.RuneCountInString(user.name) < 2 || len(name) > maxLearnBytes || r.tokens.finds(user.name, false)
			if user.person && !known {
				t.Errorf("%s: after username(%q, %q), the scrub does not know %q", system, name, sid, user.name)
			}
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		once := Canonical(in)
		if !utf8.ValidString(once) || once != strings.Trim(once, " ") || len(once) > 12*len(in) {
			t.Errorf("Canonical(%q) = %q; want valid, trimmed, bounded text", in, once)
		}
		if ascii, ok := canonicalASCII(in); ok && ascii != once {
			t.Errorf("canonicalASCII(%q) = %q; want %q", in, ascii, once)
		}
	})
}

func FuzzBucket(f *testing.F) {
	for i := range bucketZones {
		f.Add(int64(1774746000), uint8(i))
	}
	f.Fuzz(func(t *testing.T, unix int64, zone uint8) {
		at := time.Unix(unix%(1<<33), 0)
		loc := mustZone(t, bucketZones[int(zone)%len(bucketZones)])
		checkBuckets(t, at, loc)
	})
}

func FuzzDecodeKey(f *testing.F) {
	f.Add([]byte("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"))
	f.Add([]byte("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\r\n"))
	f.Add(make([]byte, 33))
	f.Fuzz(func(t *testing.T, text []byte) {
		secret, err := decodeKey(text)
		if err == nil && len(secret) != secretSize {
			t.Errorf("decodeKey of %d bytes gives %d; want %d", len(text), len(secret), secretSize)
		}
		if err != nil && len(text) > 8 && strings.Contains(err.Error(), string(text)) {
			t.Errorf("decodeKey names the key in %q", err)
		}
	})
}
