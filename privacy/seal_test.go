package privacy

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"fmt"
	"strings"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

func testOfficer(t testing.TB) *OfficerKey {
	t.Helper()
	k, err := GenerateOfficerKey()
	if err != nil {
		t.Fatalf("GenerateOfficerKey() = %v; want nil", err)
	}
	return k
}

func TestSealOpens(t *testing.T) {
	k := testOfficer(t)
	for _, tt := range []struct {
		name, in string
		size     int
	}{
		{"short", "corp.example\x1fjdoe", 113},
		{"another length of the same size", "corp.example\x1fj", 113},
		{"the longest small", strings.Repeat("a", 62), 113},
		{"the shortest large", strings.Repeat("a", 63), 305},
		{"the longest", strings.Repeat("ж", 127), 305},
	} {
		t.Run(tt.name, func(t *testing.T) {
			box, err := Seal(k.Public(), tt.in, "p1.k.x")
			if err != nil || len(box) != tt.size || !SealedShape(box) {
				t.Fatalf("Seal() = %d bytes, %v; want %d in the shape", len(box), err, tt.size)
			}
			if got, err := Open(k, box, "p1.k.x"); err != nil || got != tt.in {
				t.Errorf("Open() = %q, %v; want %q", got, err, tt.in)
			}
		})
	}
	for _, in := range []string{"", strings.Repeat("a", 255)} {
		if _, err := Seal(k.Public(), in, "p1.k.x"); err == nil {
			t.Errorf("Seal(%d bytes) = nil; want an error", len(in))
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	k, other := testOfficer(t), testOfficer(t)
	box, err := Seal(k.Public(), "corp.example\x1fjdoe", "p1.k.x")
	if err != nil {
		t.Fatal(err)
	}
	flipped := func(i int) []byte { b := bytes.Clone(box); b[i] ^= 1; return b }
	for _, tt := range []struct {
		name      string
		key       *OfficerKey
		box       []byte
		pseudonym string
	}{
		{"another key", other, box, "p1.k.x"},
		{"another pseudonym", k, box, "p1.k.y"},
		{"another version", k, flipped(0), "p1.k.x"},
		{"another ephemeral key", k, flipped(5), "p1.k.x"},
		{"changed text", k, flipped(len(box) - 20), "p1.k.x"},
		{"changed tag", k, flipped(len(box) - 1), "p1.k.x"},
		{"cut", k, box[:len(box)-1], "p1.k.x"},
		{"nothing", k, nil, "p1.k.x"},
	} {
		if got, err := Open(tt.key, tt.box, tt.pseudonym); got != "" || !errors.Is(err, ErrSeal) {
			t.Errorf("%s: Open() = %q, %v; want ErrSeal", tt.name, got, err)
		}
	}
}

func TestOfficerKeyPrintsNothing(t *testing.T) {
	k := testOfficer(t)
	secret := fmt.Sprintf("%x", k.raw.Bytes())
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
		if got := fmt.Sprintf(verb, k); got != redactedText || strings.Contains(got, secret) {
			t.Errorf("Sprintf(%s) = %q; want %q", verb, got, redactedText)
		}
	}
}

// TestS28OfficerKeyOfZeros: a public key that makes every shared secret zero is
// refused.
func TestS28OfficerKeyOfZeros(t *testing.T) {
	raw, err := ecdh.X25519().NewPublicKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := officerPublic(raw); !errors.Is(err, ErrWeakKey) {
		t.Errorf("officerPublic(zeros) = %v; want ErrWeakKey", err)
	}
}

func sealingFilter(t testing.TB, k *OfficerKey, level Level) *Filter {
	t.Helper()
	keys, err := NewPseudonyms("k1", goodSecret("device"))
	if err != nil {
		t.Fatal(err)
	}
	p, ok := Preset("balanced")
	if !ok {
		t.Fatal("no preset balanced")
	}
	p, ok = p.With(Username, level)
	if !ok {
		t.Fatal("no such level")
	}
	return NewFilter(p, Context{OS: Linux, Host: "laptop-7"}, keys.SealTo(k.Public()))
}

func started(user, uid string) *eventv1.Event {
	return &eventv1.Event{TimeUnixMs: 1, Kind: &eventv1.Event_ProcessStart{ProcessStart: &eventv1.ProcessStart{
		Program: &eventv1.Program{Name: "tool"}, User: &eventv1.User{Name: user, Sid: uid}}}}
}

func TestFilterNotesEachPersonOnce(t *testing.T) {
	k := testOfficer(t)
	f := sealingFilter(t, k, Hashed)
	for _, ev := range []*eventv1.Event{
		started("jdoe", "1000"), started("jdoe", "1000"), started("root", "0"), started("daemon", "1"), started(`CORP\jane`, "1001"),
	} {
		f.Apply(ev)
	}
	got := f.NewIdentities()
	want := []string{"local:laptop-7\x1fjdoe", "corp\x1fjane"}
	if len(got) != len(want) {
		t.Fatalf("NewIdentities() = %d; want %d", len(got), len(want))
	}
	for i, id := range got {
		name, err := Open(k, id.Sealed, id.Pseudonym)
		if err != nil || name != want[i] || id.OfficerKeyID != k.Public().ID() || len(id.OfficerKeyID) != 8 {
			t.Errorf("identity %d = %q for %q, %v; want %q for %q", i, name, id.OfficerKeyID, err, want[i], k.Public().ID())
		}
		if bytes.Contains(id.Sealed, []byte("jdoe")) {
			t.Errorf("identity %d holds the clear name", i)
		}
	}
	f.Apply(started("jdoe", "1000"))
	if again := f.NewIdentities(); len(again) != 0 {
		t.Errorf("NewIdentities() again = %d; want 0", len(again))
	}
}

func TestFilterNotesNobodyUnlessHashed(t *testing.T) {
	for _, level := range []Level{Drop, Cleartext} {
		f := sealingFilter(t, testOfficer(t), level)
		f.Apply(started("jdoe", "1000"))
		if got := f.NewIdentities(); len(got) != 0 {
			t.Errorf("NewIdentities() at level %v = %d; want 0", level, len(got))
		}
	}
}

// TestS59RenameLeavesTwoIdentities: after a rename the person has two
// pseudonyms, and a list of both names finds both.
func TestS59RenameLeavesTwoIdentities(t *testing.T) {
	k := testOfficer(t)
	f := sealingFilter(t, k, Hashed)
	f.Apply(started("jdoe", "1000"))
	f.Apply(started("jsmith", "1000"))
	found := map[string]bool{}
	for _, id := range f.NewIdentities() {
		name, err := Open(k, id.Sealed, id.Pseudonym)
		if err != nil {
			t.Fatal(err)
		}
		for _, asked := range []string{"JDoe", "jsmith"} {
			if name == CanonicalUser(Context{OS: Linux, Host: "LAPTOP-7"}, asked, "") {
				found[id.Pseudonym] = true
			}
		}
	}
	if len(found) != 2 {
		t.Errorf("a list of both names finds %d pseudonyms; want 2", len(found))
	}
}

func FuzzOpen(f *testing.F) {
	k := testOfficer(f)
	box, err := Seal(k.Public(), "name", "p1.k.x")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(box, "p1.k.y")
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, b []byte, pseudonym string) {
		if got, err := Open(k, b, pseudonym); err == nil && !(bytes.Equal(b, box) && pseudonym == "p1.k.x") {
			t.Errorf("Open(what nobody sealed) = %q; want ErrSeal", got)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	k := testOfficer(b)
	for b.Loop() {
		if _, err := Seal(k.Public(), "corp.example\x1fjdoe", "p1.k.x"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	k := testOfficer(b)
	box, err := Seal(k.Public(), "corp.example\x1fjdoe", "p1.k.x")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Open(k, box, "p1.k.x"); err != nil {
			b.Fatal(err)
		}
	}
}
