package privacy

import (
	"bytes"
	"math/bits"
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// tripLook says how to look at a value.
type tripLook struct {
	plain  bool // words of the system are no names
	people bool // the host's name is none
}

// finds reports whether a hidden identity stands in v, which has not been made
// canonical. It reads v as the scrub does: canonical, and once more with blanks
// for what cannot be seen.
func (t *tripwire) finds(v []byte, look tripLook) bool {
	s := t.rules.tokens
	before, ellipses := uint64(0), false // whether a letter or digit came before
	for i := 0; i < len(v); i += 8 {
		x := eightBytes(v[i:])
		letters, special := readEight(x)
		if special != 0 && !ellipses {
			if ellipses = onlyEllipses(v); !ellipses {
				return t.findsWide(v, look)
			}
		}
		begins := ^(letters<<8 | before) & highBits
		before = letters >> 56
		for ; begins != 0; begins &= begins - 1 {
			p := i + bits.TrailingZeros64(begins)/8
			if p+2 < len(v) && s.grams.word.has(v[p:]) && t.findsAt(v, p, look) {
				return true
			}
		}
	}
	// A token that counts anywhere has eight bytes: one of these three stands in
	// every such stretch of a text.
	for p := 0; p+2 < len(v); p += gramStep {
		if !s.grams.long.has(v[p:]) {
			continue
		}
		for i := max(0, p-gramStep+1); i <= p; i++ {
			if s.grams.word.has(v[i:]) && t.findsAt(v, i, look) {
				return true
			}
		}
	}
	return false
}

// findsWide is finds for a value with letters beyond ASCII or with controls. One
// with rare letters or with controls costs more, and two allocations where it is
// decomposed.
func (t *tripwire) findsWide(v []byte, look tripLook) bool {
	if text, ok := t.folds(v); ok {
		return t.findsIn(text, look)
	}
	return t.findsIn(t.canonical(v, false), look) ||
		bytes.ContainsFunc(v, invisible) && t.findsIn(t.canonical(v, true), look)
}

// canonical is Canonical in memory of the tripwire, but for blanks at the ends:
// no name begins or ends with one. With blanks, what cannot be seen becomes a
// blank.
func (t *tripwire) canonical(v []byte, blanks bool) []byte {
	a := slices.Grow(t.text[:0], 3*len(v)+64)
	for i := 0; i < len(v); {
		c, n := utf8.DecodeRune(v[i:])
		i += n
		switch {
		case invisible(c):
			if blanks {
				a = append(a, ' ')
			}
		case unicode.IsSpace(c):
			a = append(a, ' ')
		default:
			a = utf8.AppendRune(a, smallCherokee(c))
		}
	}
	// Folding gives at most three times the bytes: U+0390.
	b := slices.Grow(t.spare[:0], 3*len(a)+64)
	n, _, _ := width.Fold.Transform(b[:cap(b)], a, true)
	a = norm.NFC.Append(a[:0], b[:n]...)
	b = slices.Grow(b, 3*len(a)+64)
	t.fold.Reset()
	n, _, _ = t.fold.Transform(b[:cap(b)], a, true)
	a = norm.NFC.Append(a[:0], b[:n]...)
	t.text, t.spare = a[:cap(a)], b[:0]
	return a
}

// findsIn reports whether a hidden identity stands in canonical text.
func (t *tripwire) findsIn(text []byte, look tripLook) bool {
	for i := 0; i+2 < len(text); i++ {
		if t.rules.tokens.grams.word.has(text[i:]) && t.findsAt(text, i, look) {
			return true
		}
	}
	return false
}

// findsAt reports whether a hidden identity begins at text[i].
func (t *tripwire) findsAt(text []byte, i int, look tripLook) bool {
	pair := uint16(foldASCII(text[i]))<<8 | uint16(foldASCII(text[i+1]))
	for _, o := range t.rules.tokens.bucket[pair] {
		end, ok := matchToken(text, o, i)
		if ok && t.hides(o, look) && !marked(text, i, end) && !(look.plain && systemWord(o.text)) {
			return true
		}
	}
	return false
}

// matchToken is piece.match on text that may have capitals of ASCII: whether o
// stands at text[i], and where it ends. A test compares both.
func matchToken(text []byte, o token, i int) (end int, ok bool) {
	end = i + len(o.text)
	if end > len(text) {
		return end, false
	}
	for j := range len(o.text) {
		if foldASCII(text[i+j]) != o.text[j] {
			return end, false
		}
	}
	size := o.size
	if o.short {
		for end < len(text) && digit(text[end]) {
			end++
		}
		if digits := end - i - len(o.text); digits > 0 {
			size += digits
		} else {
			return end, false
		}
	}
	switch {
	case size < 3:
		return end, false
	case size >= 8:
		return end, true
	}
	if before, _ := utf8.DecodeLastRune(text[:i]); alnum(before) {
		return end, false
	}
	possessive := size >= 4 && end < len(text) && foldASCII(text[end]) == 's' && wordEndsAt(text, end+1)
	return end, possessive || wordEndsAt(text, end)
}

func wordEndsAt(text []byte, i int) bool {
	c, _ := utf8.DecodeRune(text[i:])
	return !alnum(c)
}

// marked reports whether text[i:end] is the word of a mark that the rules write.
func marked(text []byte, i, end int) bool {
	if i == 0 || text[i-1] != '<' || end >= len(text) || text[end] != '>' {
		return false
	}
	switch string(text[i:end]) {
	case "user", "other", "unc", "person":
		return true
	}
	return false
}

// systemWord reports whether systems and makers call themselves so. An account
// may be called like the system that it came with, a host like its model, a Max
// like his processor: the word in a kernel's version names nobody.
func systemWord(word string) bool {
	switch word {
	case "linux", "debian", "ubuntu", "fedora", "centos", "rocky", "alma", "almalinux", "redhat", "opensuse", "suse",
		"arch", "archlinux", "manjaro", "gentoo", "alpine", "kali", "mint", "amazon", "oracle", "generic",
		"windows", "microsoft", "darwin", "macos", "macbook", "imac", "apple", "azure", "google", "intel", "amd", "arm",
		"lenovo", "thinkpad", "dell", "latitude", "hewlett", "packard", "acer", "asus", "toshiba", "fujitsu", "samsung",
		"qemu", "kvm", "vmware", "virtualbox", "xen", "virtual", "laptop", "notebook", "desktop", "tablet", "server",
		"workstation", "surface", "precision", "standard", "common", "core", "xeon", "ryzen", "epyc", "max", "ultra", "other", "user", "default", "process", "connection", "domain", "focus", "activity", "wifi",
		"logon", "device", "software":
		return true
	}
	return false
}
