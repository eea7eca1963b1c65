package domain

import (
	"testing"

	"golang.org/x/net/bpf"
)

// TestFilterJumpsForward: the kernel refuses others, and a label without a place
// would lead anywhere.
func TestFilterJumpsForward(t *testing.T) {
	f, err := filter()
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]bpf.RawInstruction, len(f))
	for i, s := range f {
		raw[i] = bpf.RawInstruction{Op: s.Code, Jt: s.Jt, Jf: s.Jf, K: s.K}
		if s.Code&7 == 5 && (i+1+int(max(s.Jt, s.Jf)) >= len(f)) {
			t.Errorf("instruction %d jumps beyond the end", i)
		}
	}
	if len(f) > 60 {
		t.Errorf("%d instructions; want few", len(f))
	}
}
