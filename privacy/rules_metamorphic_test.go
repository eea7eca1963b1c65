package privacy

import (
	"math/rand/v2"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// scripts are twenty that people write their names in.
var scripts = []string{
	"Latin", "Greek", "Cyrillic", "Armenian", "Georgian", "Hebrew", "Arabic", "Devanagari", "Bengali", "Tamil",
	"Telugu", "Thai", "Khmer", "Ethiopic", "Cherokee", "Hangul", "Hiragana", "Katakana", "Han", "Mongolian",
}

// lettersOf returns letters of a script that a keyboard has: not those that
// only compatibility keeps.
func lettersOf(script string) []rune {
	var out []rune
	for c := range rune(0xffff) {
		if unicode.Is(unicode.Scripts[script], c) && unicode.In(c, unicode.Lu, unicode.Ll, unicode.Lo) &&
			utf8.RuneCountInString(Canonical(string(c))) == 1 {
			out = append(out, c)
		}
	}
	return out
}

// script of values that a person of that name leaves behind. Where a name is
// part of a longer word, an account of up to seven letters is not looked for.
func personalValues(name string) []struct {
	key   Key
	level Level
	in    map[OS]string
} {
	all := func(v string) map[OS]string { return map[OS]string{Linux: v, Windows: v, Darwin: v} }
	return []struct {
		key   Key
		level Level
		in    map[OS]string
	}{
		{Username, Hashed, all(name)},
		{Username, Hashed, map[OS]string{Windows: `CORP\` + name}},
		{UPN, Hashed, all(name + "@corp.example.com")},
		{ProgramPath, Generalised, map[OS]string{
			Linux: "/home/" + name + "/bin/tool", Windows: `C:\Users\` + name + `\AppData\tool.exe`, Darwin: "/Users/" + name + "/tool",
		}},
		{ProgramPath, Generalised, map[OS]string{
			Linux: "/opt/" + name + "/tool", Windows: `C:\Program Files\` + name + `\tool.exe`, Darwin: "/Applications/" + name + ".app/tool",
		}},
		{ProgramPath, Generalised, map[OS]string{
			Linux: "/data/x/" + strings.ToUpper(name) + "-tool", Windows: `D:\x\` + name + `_tool.exe`, Darwin: "/x/" + name + " tool",
		}},
		{ProgramName, Generalised, all(name + "-notes")},
		{ProgramName, Generalised, all("Notes of " + strings.ToLower(name))},
		{ProgramName, Generalised, all("Notes of " + norm.NFD.String(strings.ToUpper(name)))},
		{ProgramName, Generalised, all("Notes of " + width.Widen.String(name))},
		{ProgramName, Generalised, all("Notes of " + interleave(name, "\u200d"))},
		{ProgramName, Generalised, all("Notes of " + url.PathEscape(name))},
		{Username, Hashed, all(" " + norm.NFD.String(strings.ToUpper(name)) + "\u200b")},
		{ProgramSigner, Generalised, all("CN=" + name)},
		{ProgramSigner, Generalised, map[OS]string{Darwin: "Apple Development: " + name + " (AB12CD34EF)"}},
		{Software, Cleartext, all(name + ".toolbox")},
		{DeviceName, Auto, all(name + "-laptop")},
		{Domains, Generalised, all(name + ".mail.example.com")},
		{Domains, Generalised, all("www." + name + ".com")},
		{Domains, List, all(name + "-pc.corp.example.com")},
		{WifiSSID, Label, all(name + "’s phone")},
		{Destinations, Prefix, all("fe80::1%" + name)},
	}
}

var onePseudonym = regexp.MustCompile(`p1\.t1\.[a-z2-7]{26}`)

// TestTwoPeopleLookAlike gives one device to a thousand people in turn. What
// leaves of each is the same but for the pseudonyms.
func TestTwoPeopleLookAlike(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	keys := testKeys(t)
	var first map[OS][]string
	people := 0
	for _, script := range scripts {
		letters := lettersOf(script)
		if len(letters) < 10 {
			t.Fatalf("%s has %d letters; want more", script, len(letters))
		}
		for range 50 {
			var name []rune
			for range 3 + random.IntN(8) {
				name = append(name, letters[random.IntN(len(letters))])
			}
			got := lifeOf(string(name), keys)
			people++
			if first == nil {
				first = got
				continue
			}
			for system, outs := range got {
				for i, out := range outs {
					if out != first[system][i] {
						v := personalValues(string(name))[i]
						t.Errorf("%s, %s: %s(%q) = %q; want %q as of everybody", script, system, v.key, v.in[system], out, first[system][i])
					}
				}
			}
		}
	}
	t.Logf("%d people in %d scripts", people, len(scripts))
}

func interleave(name, between string) string { return strings.Join(strings.Split(name, ""), between) }

// TestOneNameOnePseudonym: in no script does a spelling make a second one, and
// a short name inside a longer word is left alone.
func TestOneNameOnePseudonym(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	keys := testKeys(t)
	for _, script := range scripts {
		letters := lettersOf(script)
		for range 10 {
			var some []rune
			for range 5 {
				some = append(some, letters[random.IntN(len(letters))])
			}
			name := string(some)
			r := newRules(Context{OS: Linux, Host: "HOST"}, keys)
			want := r.username(Hashed, name, "")
			for _, spelling := range []string{
				strings.ToUpper(name), norm.NFD.String(name), norm.NFD.String(strings.ToLower(name)),
				width.Widen.String(name), interleave(name, "\u200d"), "\u200f" + name + "\u00a0",
			} {
				if got := r.username(Hashed, spelling, ""); got != want {
					t.Errorf("%s: username(%q) = %q; want %q as of %q", script, spelling, got, want, name)
				}
			}
			if n := utf8.RuneCountInString(Canonical(name)); n < 3 || n > 7 {
				continue // longer ones are marked anywhere
			}
			for _, word := range []string{name + string(some[0]), string(some[4]) + name} {
				if strings.Count(Canonical(word), Canonical(name)) > 1 {
					continue
				}
				if got := r.programName(Generalised, word); got != word {
					t.Errorf("%s: programName(%q) = %q; want the longer word as it is: %q is known", script, word, got, name)
				}
			}
		}
	}
}

// lifeOf returns what leaves of a person on each system, without pseudonyms.
func lifeOf(name string, keys *Pseudonyms) map[OS][]string {
	out := make(map[OS][]string)
	for _, system := range systems {
		ctx := testContext(system)
		ctx.Identities, ctx.Host = nil, "HOST"
		r := newRules(ctx, keys)
		for _, v := range personalValues(name) { // learned from the first
			s := tryTable[v.key](r, v.level, v.in[system])
			out[system] = append(out[system], onePseudonym.ReplaceAllString(s, "PSEUDONYM"))
		}
	}
	return out
}
