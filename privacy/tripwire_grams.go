package privacy

import (
	"bytes"
	"encoding/binary"
)

// grams says of three bytes whether a token has them, so that the tripwire
// passes over nearly all of a text without a look at any token. Capitals of
// ASCII are like small letters, and some signs like others: it is a hint.
type grams struct {
	word gramSet // of those with which a token begins
	long gramSet // of those that begin in the first gramStep bytes of a token that counts within words
}

// gramStep is how far the tripwire goes at once where it looks for tokens of
// eight bytes or more.
const gramStep = 8 - 2

type gramSet [1 << 16 / 64]uint64

func gramBit(g uint32) uint32 { return (g | 0x202020) & 0xffffff * 0x9e3779b1 >> 16 }

func gramAt(text []byte) uint32 {
	return uint32(text[0]) | uint32(text[1])<<8 | uint32(text[2])<<16
}

// has reports whether the three bytes with which text begins may be in s.
func (s *gramSet) has(text []byte) bool {
	bit := gramBit(gramAt(text))
	return s[bit>>6]&(1<<(bit&63)) != 0
}

func (s *gramSet) put(text []byte) {
	bit := gramBit(gramAt(text))
	s[bit>>6] |= 1 << (bit & 63)
}

// add makes a token known. Of an 8.3 form, which is as long as its digits make
// it, only that of six letters counts within words: shorter ones, with five
// digits and more, only where a word begins.
func (g *grams) add(t token) {
	if t.size < 3 {
		return
	}
	text := []byte(t.text)
	g.word.put(text)
	if t.short && len(text) == 7 {
		for c := byte('0'); c <= '9'; c++ {
			g.long.put(append(text[5:7:7], c))
		}
	}
	if len(text) < 8 && !(t.short && len(text) == 7) {
		return
	}
	for i := 0; i < gramStep && i+2 < len(text); i++ {
		g.long.put(text[i:])
	}
}

// highBits is the high bit of each of eight bytes, lowBits the low one.
const (
	highBits = 0x8080808080808080
	lowBits  = 0x0101010101010101
)

// eightBytes returns the first eight bytes of v, blanks where it is shorter.
func eightBytes(v []byte) uint64 {
	if len(v) >= 8 {
		return binary.LittleEndian.Uint64(v)
	}
	x := uint64(lowBits * ' ')
	for i := len(v) - 1; i >= 0; i-- {
		x = x<<8 | uint64(v[i])
	}
	return x
}

// readEight marks, by the high bit of each byte of x, the letters and digits of
// ASCII, and what is special: controls, and what is no ASCII.
func readEight(x uint64) (letters, special uint64) {
	y := x &^ highBits
	low := y | lowBits*0x20
	// y + (128-n) has its high bit where y >= n.
	letters = (low + lowBits*(128-'a')) &^ (low + lowBits*(128-'z'-1))
	letters |= (y + lowBits*(128-'0')) &^ (y + lowBits*(128-'9'-1))
	special = x | ^(y + lowBits*(128-' ')) | (y + lowBits*(128-0x7f))
	return letters &^ x & highBits, special & highBits
}

// onlyEllipses reports whether all that is special in v is the sign that stands
// in paths for what was left out.
func onlyEllipses(v []byte) bool {
	for i := 0; i < len(v); i++ {
		switch {
		case v[i] >= ' ' && v[i] < 0x7f:
		case bytes.HasPrefix(v[i:], []byte("…")):
			i += len("…") - 1
		default:
			return false
		}
	}
	return true
}
