package privacy

import "unicode/utf8"

// tableEnd is behind the letters of Latin, Greek and Cyrillic.
const tableEnd = 0x530

// foldTable is what Canonical makes of single letters beyond ASCII, so that the
// names of files in most scripts need no look at the tables of Unicode. It holds
// only letters that neither vanish nor join with the letter before.
type foldTable [tableEnd]folded

// folded is the canonical form of one letter; of size 0 where the table has none.
type folded struct {
	size uint8
	text [4]byte
}

func newFoldTable() *foldTable {
	t := &foldTable{}
	for c := rune(0x80); c < tableEnd; c++ {
		if 0x300 <= c && c < 0x370 || 0x483 <= c && c < 0x48a { // these join
			continue
		}
		if text := Canonical(string(c)); len(text) <= 4 {
			t[c].size = uint8(copy(t[c].text[:], text))
		}
	}
	return t
}

// staysAsItIs reports whether c is of a script without capitals whose letters
// Canonical leaves alone: kana, ideographs, Hangul; or the mark of what was left
// out of a path.
func staysAsItIs(c rune) bool {
	return c == '…' || 0x3041 <= c && c <= 0x3096 || 0x30a1 <= c && c <= 0x30fa ||
		0x4e00 <= c && c <= 0x9fff || 0xac00 <= c && c <= 0xd7a3
}

// folds is canonical where every letter is one that is known here. It reports
// false where one is not.
func (t *tripwire) folds(v []byte) ([]byte, bool) {
	if t.table == nil {
		t.table = newFoldTable()
	}
	a := t.text[:0]
	for i := 0; i < len(v); {
		if c := v[i]; c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f {
				return nil, false
			}
			a = append(a, foldASCII(c))
			i++
			continue
		}
		c, n := utf8.DecodeRune(v[i:])
		switch {
		case c < tableEnd && t.table[c].size > 0:
			f := &t.table[c]
			a = append(a, f.text[:f.size]...)
		case staysAsItIs(c):
			a = append(a, v[i:i+n]...)
		default:
			return nil, false
		}
		i += n
	}
	t.text = a
	for len(a) > 0 && a[0] == ' ' {
		a = a[1:]
	}
	for len(a) > 0 && a[len(a)-1] == ' ' {
		a = a[:len(a)-1]
	}
	return a, true
}
