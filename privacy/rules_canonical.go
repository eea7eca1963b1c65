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
func canonicalASCII(name string) (plain string, ok bool) {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return plain, false
		}
	}
	plain = strings.Map(func(c rune) rune {
		switch {
		case c < ' ' || c == 0x7f:
			return -1
		case 'A' <= c && c <= 'Z':
			return c + 'a' - 'A'
		}
		return c
	}, name)
	return strings.Trim(plain, " "), true
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
		if c == utf8.RuneError && n == 1 {
			b.WriteString(replacement)
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// cut returns at most limit bytes of valid text, whole characters only.
func cut(s string, limit int) string {
	return strings.ToValidUTF8(s[:min(limit, len(s))], "")
}
