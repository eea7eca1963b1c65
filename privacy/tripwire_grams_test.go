package privacy

import "testing"

// TestReadEight asks about each byte, at each place, beside others.
func TestReadEight(t *testing.T) {
	for _, beside := range []byte{0, ' ', 'a', 'Z', '9', 0x7f, 0x80, 0xff} {
		for c := range 256 {
			for at := range 8 {
				v := [8]byte{beside, beside, beside, beside, beside, beside, beside, beside}
				v[at] = byte(c)
				letters, special := readEight(eightBytes(v[:]))
				for i, b := range v {
					letter := b < 0x80 && alnum(rune(b))
					if got := letters>>(8*i)&0xff == 0x80; got != letter {
						t.Fatalf("readEight(%x) says of byte %d that letter = %v; want %v", v, i, got, letter)
					}
					odd := b < ' ' || b >= 0x7f
					if got := special>>(8*i)&0xff == 0x80; got != odd {
						t.Fatalf("readEight(%x) says of byte %d that special = %v; want %v", v, i, got, odd)
					}
				}
			}
		}
	}
}
