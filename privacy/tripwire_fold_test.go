package privacy

import (
	"math/rand/v2"
	"testing"
)

// TestFoldsAgreesWithCanonical compares both on every letter alone, and on texts
// of letters that were drawn.
func TestFoldsAgreesWithCanonical(t *testing.T) {
	f := newSampleFilter(t, preset(t, "balanced"))
	var known []rune
	for c := rune(' '); c <= 0x1ffff; c++ {
		v := "x" + string(c) + "y"
		got, ok := f.trip.folds([]byte(v))
		if !ok {
			continue
		}
		if known = append(known, c); string(got) != Canonical(v) {
			t.Errorf("folds(%+q) = %+q; want %+q", v, got, Canonical(v))
		}
	}
	if len(known) < 30_000 {
		t.Errorf("%d letters are known; want those of most scripts", len(known))
	}
	random := rand.New(rand.NewPCG(5, 6))
	for range 50_000 {
		var text []rune
		for range 1 + random.IntN(8) {
			limit := len(known)
			if random.IntN(2) == 0 {
				limit = 1200 // the scripts with capitals
			}
			text = append(text, known[random.IntN(limit)])
		}
		v := string(text)
		if got, ok := f.trip.folds([]byte(v)); !ok || string(got) != Canonical(v) {
			t.Fatalf("folds(%+q) = %+q, %v; want %+q", v, got, ok, Canonical(v))
		}
	}
	for _, v := range []string{"e\u0301", "x\x01", "\u00ad", "\u200b", "\xff", "ｊ", "ﾊ", "か\u3099", "가\u11a8"} {
		if got, ok := f.trip.folds([]byte(v)); ok && string(got) != Canonical(v) {
			t.Errorf("folds(%+q) = %+q; want %+q or no answer", v, got, Canonical(v))
		}
	}
}

// TestFoldsOnlyWholeLetters: a byte that begins no letter is not taken for one; such
// a value goes the long way.
func TestFoldsOnlyWholeLetters(t *testing.T) {
	trip := newSampleFilter(t, preset(t, "balanced")).trip
	for _, v := range []string{"jd\x80oe", "\x80", "jdoe\xc3", "\xff", "a\tb"} {
		if got, ok := trip.folds([]byte(v)); ok {
			t.Errorf("folds(%q) = %q, true; want false", v, got)
		}
	}
}
