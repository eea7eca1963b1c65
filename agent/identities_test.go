package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/discreet-agent/discreet/privacy"
)

func TestSealedNamesComeBack(t *testing.T) {
	dir := t.TempDir()
	s, err := openSealedNames(dir)
	if err != nil {
		t.Fatal(err)
	}
	ids := []privacy.Identity{{Pseudonym: "p1", Sealed: []byte{1}, OfficerKeyID: "a"}, {Pseudonym: "p2", Sealed: []byte{2}, OfficerKeyID: "a"}}
	for range 2 {
		if err := s.add(ids); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.add([]privacy.Identity{{Pseudonym: "p1", Sealed: []byte{3}, OfficerKeyID: "b"}}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "identities"))
	if err != nil || modesTell && info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode of the file = %v, %v; want 0600", info, err)
	}
	again, err := openSealedNames(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := again.all()
	if len(got) != 3 || got[1].GetPseudonym() != "p2" || got[2].GetOfficerKeyId() != "b" {
		t.Errorf("read again = %d identities; want p1, p2, and p1 for the next officer", len(got))
	}
}

func TestSealedNamesDamaged(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "identities"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := openSealedNames(dir)
	if err == nil || s == nil {
		t.Fatalf("openSealedNames(damaged) = %v, %v; want an empty list and an error", s, err)
	}
	if err := s.add([]privacy.Identity{{Pseudonym: "p", OfficerKeyID: "a"}}); err != nil || len(s.all()) != 1 {
		t.Errorf("add() = %v; want nil", err)
	}
}
