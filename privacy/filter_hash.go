package privacy

// mixer spreads bits: 2 to the 64 over the golden ratio, as an odd number.
const mixer = 0x9e3779b97f4a7c15

// hint is a number to look a value up by, made of its length, its first, middle
// and last bytes. Values that are alike there share a place: whoever asks
// compares the values too.
func hint[T ~string | ~[]byte](v T) uint64 {
	n := len(v)
	if n < 8 {
		x := uint64(n)
		for i := range n {
			x = x<<8 | uint64(v[i])
		}
		return x * mixer
	}
	x := eightAt(v, 0) ^ uint64(n)
	x = x*mixer ^ eightAt(v, n-8)
	x = x*mixer ^ eightAt(v, n/2-4)
	return (x ^ x>>32) * mixer
}

// eightAt returns the eight bytes of v from i on.
func eightAt[T ~string | ~[]byte](v T, i int) uint64 {
	b := v[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}
