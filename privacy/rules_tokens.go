package privacy

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// token is one spelling of an identity that the scrub looks for.
type token struct {
	text  string // canonical
	size  int    // in characters; of an 8.3 form without its digits
	short bool   // the 8.3 form: digits must follow
	host  bool   // known only as a part of the host's name
	from  origin // of persons' tokens
}

// least is the least number of characters that t matches.
func (t token) least() int {
	if t.short {
		return t.size + 1
	}
	return t.size
}

// origin says what kind of identity a token was made of. A token may be of
// several.
type origin uint8

const (
	ofAccount origin = 1 << iota
	ofUPN
	ofDisplay
)

// originOf tells the kinds of identity apart by their form, as a list of them
// does not say: an address is a UPN, and no account's name has blanks.
func originOf(identity string) origin {
	switch canon := Canonical(identity); {
	case isAddress(canon):
		return ofUPN
	case strings.Contains(canon, " "):
		return ofDisplay
	}
	return ofAccount
}

// tagged marks tokens with what they were made of.
func tagged(list []token, from origin) []token {
	for i := range list {
		list[i].from = from
	}
	return list
}

// tokensOf returns the spellings under which an identity may stand in text: an
// account name, a UPN, a display name or a host name. The realm of an account
// and the domain of an address are no part of it: they are the company's.
func tokensOf(identity string) []token {
	whole := Canonical(identity)
	name := whole[strings.LastIndexAny(whole, `\/`)+1:]
	texts := []string{whole, name}
	if at := strings.LastIndexByte(name, '@'); at > 0 {
		name = name[:at]
		texts = append(texts, name)
	}
	parts := strings.FieldsFunc(name, func(c rune) bool {
		return c == ' ' || c == '.' || c == '_' || c == '-'
	})
	for _, between := range []string{"", ".", "_", "-", " "} {
		texts = append(texts, strings.Join(parts, between))
	}
	for _, part := range parts {
		if utf8.RuneCountInString(part) >= 4 {
			texts = append(texts, part)
		}
	}
	var out []token
	for _, text := range texts {
		out = appendToken(out, text)
		// Paths spell an invalid byte so.
		out = appendToken(out, strings.ReplaceAll(text, string(utf8.RuneError), "?"))
		// Domains and some file systems keep no letter that stands for another.
		out = appendToken(out, Canonical(norm.NFKC.String(text)))
	}
	if stem := shortStem(name); stem != "" {
		out = append(out, token{text: stem + "~", size: utf8.RuneCountInString(stem) + 1, short: true})
	}
	return out
}

func appendToken(list []token, text string) []token {
	t := token{text: text, size: utf8.RuneCountInString(text)}
	if t.size < 2 || slices.Contains(list, t) {
		return list
	}
	return append(list, t)
}

// shortStem returns the first six letters and digits of a name, with which its
// 8.3 form begins, or "" where there are not two.
func shortStem(name string) string {
	var b strings.Builder
	n := 0
	for _, c := range name {
		if n < 6 && alnum(c) {
			b.WriteRune(c)
			n++
		}
	}
	if n < 2 {
		return ""
	}
	return b.String()
}

// machineWords are the words with which Windows begins the names that it makes.
// They say nothing of a person and stand in many programs' names.
var machineWords = [...]string{"desktop", "laptop"} // "win" has too few letters for a token

// hostTokens is tokensOf for the name of the host. The domain behind its first
// label is no part of it: it is the company's, or a word such as "local". Of a
// name that Windows made, the first word is no token.
func hostTokens(host string) []token {
	label, _, _ := strings.Cut(host, ".")
	list := appendToken(tokensOf(label), Canonical(host))
	if machineMade(label) {
		word, _, _ := strings.Cut(Canonical(label), "-")
		list = slices.DeleteFunc(list, func(t token) bool {
			return t.text == word && slices.Contains(machineWords[:], word)
		})
	}
	for i := range list {
		list[i].host = true
	}
	return list
}

func alnum(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }
