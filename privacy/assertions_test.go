package privacy

import (
	"strings"
	"testing"
)

// TestS30PseudonymsHaveOneLength: the length of a name is not in its pseudonym.
func TestS30PseudonymsHaveOneLength(t *testing.T) {
	secret, err := NewSecret()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := NewPseudonyms("k1", secret)
	if err != nil {
		t.Fatal(err)
	}
	want := len("p1.k1.") + 26
	for n := 1; n <= 64; n++ {
		name := strings.Repeat("x", n)
		if got := UserPseudonym(keys, Context{OS: Linux, Host: "h"}, name, "1000"); len(got) != want {
			t.Errorf("pseudonym of a name of %d letters has %d; want %d", n, len(got), want)
		}
	}
}
