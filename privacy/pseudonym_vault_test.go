package privacy

import (
	"bytes"
	"fmt"
	"testing"
)

// TestS09CloseWipes: after Close there is no key and no pseudonym, also not in
// what SealTo returned.
func TestS09CloseWipes(t *testing.T) {
	p, err := NewPseudonyms("k1", goodSecret("a"))
	if err != nil {
		t.Fatal(err)
	}
	sealing := p.SealTo(nil)
	if bytes.Equal(p.keys.mem, make([]byte, len(p.keys.mem))) || sealing.make(purposeUser, "x") == "" {
		t.Fatal("there are no keys before Close: the test proves nothing")
	}
	p.Close()
	p.Close()
	if !bytes.Equal(p.keys.mem, make([]byte, len(p.keys.mem))) {
		t.Errorf("the keys are there after Close; want zeros")
	}
	for name, q := range map[string]*Pseudonyms{"closed": p, "sealing": sealing} {
		if got := q.make(purposeUser, "x"); got != "" {
			t.Errorf("%s: pseudonym after Close = %q; want none", name, got)
		}
	}
	s := secretOf(t, goodSecret("a"))
	s.Close()
	if !bytes.Equal(s.v.mem, make([]byte, secretSize)) {
		t.Errorf("the secret is there after Close; want zeros")
	}
	if _, err := s.Pseudonyms("k1", ""); err == nil {
		t.Errorf("a closed secret makes keys; want a refusal")
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	s := secretOf(t, goodSecret("a"))
	for _, v := range []any{s, s.v, *s} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%q"} {
			if got := fmt.Sprintf(verb, v); bytes.Contains([]byte(got), goodSecret("a")[:4]) || len(got) > 80 {
				t.Errorf("Sprintf(%s, %T) = %q; want nothing of the secret", verb, v, got)
			}
		}
	}
}
