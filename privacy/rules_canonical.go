package privacy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// Canonical returns the one spelling of a name, so that however a system writes
// an account it has one pseudonym. Invalid bytes become U+FFFD; format
// characters and controls go; every space becomes a blank; letters lose their
// width and their case; the ends lose their blanks. The result is never longer
// than a small multiple of name.
func Canonical(name string) string {
	if plain, ok := canonicalASCII(name); ok {
		return plain
	}
	var b strings.Builder
	b.Grow(len(name))
	for _, c := range name { // an invalid byte comes as U+FFFD
		switch {
		case invisible(c):
		case unicode.IsSpace(c):
			b.WriteByte(' ')
		default:
			b.WriteRune(smallCherokee(c))
		}
	}
	s := norm.NFC.String(width.Fold.String(b.String()))
	return strings.Trim(norm.NFC.String(cases.Fold().String(s)), " ")
}

// smallCherokee returns the small letter of a Cherokee capital, and any other
// letter as it is. The full fold of Unicode makes capitals of Cherokee; package
// cases makes them of small letters and small letters of capitals.
func smallCherokee(c rune) rune {
	switch {
	case 0x13a0 <= c && c <= 0x13ef:
		return c - 0x13a0 + 0xab70
	case 0x13f0 <= c && c <= 0x13f5:
		return c + 8
	}
	return c
}

// canonicalASCII is Canonical where nothing but ASCII is in the name, which is
// nearly always. It returns the very string where nothing changes.
func canonicalASCII(name string) (string, bool) {
	same := true
	for i := range len(name) {
		c := name[i]
		if c >= utf8.RuneSelf {
			return "", false
		}
		same = same && c >= ' ' && c != 0x7f && (c < 'A' || c > 'Z')
	}
	if same {
		return strings.Trim(name, " "), true
	}
	b := make([]byte, 0, len(name))
	for i := range len(name) {
		c := name[i]
		switch {
		case c < ' ' || c == 0x7f:
		case 'A' <= c && c <= 'Z':
			b = append(b, c+'a'-'A')
		default:
			b = append(b, c)
		}
	}
	return strings.Trim(string(b), " "), true
}

// invisible reports whether c is a control or a format character.
func invisible(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) }

// validText returns s with every invalid byte replaced, since the wire takes
// UTF-8 only.
func validText(s, replacement string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(replacement))
	for len(s) > 0 {
		c, n := utf8.DecodeRuneInString(s)
		if c == utf8.RuneError && n <= 1 {
			b.WriteString(replacement)
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// cut returns at most limit bytes of s, whole characters only.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
