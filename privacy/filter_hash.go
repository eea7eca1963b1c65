package privacy

// mixer spreads bits: 2 to the 64 over the golden ratio, as an odd number.
const mixer = 0x9e3779b97f4a7c15

// hint is a number to look a value up by, made of its length, its first and its
// last bytes. Values that are alike there share a place: whoever asks compares
// the values too, so to share costs time and no more.
func hint(v string) uint64 {
	n := len(v)
	if n < 8 {
		x := uint64(n)
		for i := range n {
			x = x<<8 | uint64(v[i])
		}
		return (x ^ x>>32) * mixer
	}
	a, b := v[:8], v[n-8:]
	x := uint64(a[0]) | uint64(a[1])<<8 | uint64(a[2])<<16 | uint64(a[3])<<24 |
		uint64(a[4])<<32 | uint64(a[5])<<40 | uint64(a[6])<<48 | uint64(a[7])<<56
	y := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
	x = (x^uint64(n))*mixer ^ y
	return (x ^ x>>32) * mixer
}

// hintOf is hint of bytes, with some from the middle: whole messages begin and
// end alike.
func hintOf(v []byte) uint64 {
	n := len(v)
	if n < 8 {
		x := uint64(n)
		for i := range n {
			x = x<<8 | uint64(v[i])
		}
		return (x ^ x>>32) * mixer
	}
	x := (eightBytes(v) ^ uint64(n)) * mixer
	x = (x ^ eightBytes(v[n/2-4:])) * mixer
	x = x>>32 ^ x ^ eightBytes(v[n-8:])
	return (x ^ x>>32) * mixer
}
