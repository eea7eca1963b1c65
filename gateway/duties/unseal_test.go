package duties

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/privacy"
)

// TestS59SealedNamesFindAllPseudonyms: a person was renamed and has two
// pseudonyms; a list of both names finds both, with the officer's key alone.
func TestS59SealedNamesFindAllPseudonyms(t *testing.T) {
	before, after, other := "p1.k."+strings.Repeat("a", 26), "p1.k."+strings.Repeat("b", 25)+"a", "p1.k."+strings.Repeat("c", 25)+"a"
	d, log := newDuties(t, use(before, "x", 0), use(after, "y", 0), use(other, "z", 0))
	files := map[string]*privacy.OfficerKey{}
	for _, name := range []string{"officer", "stranger"} {
		k, err := privacy.GenerateOfficerKey()
		if err != nil {
			t.Fatal(err)
		}
		text, err := k.PEM()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		files[file] = k
		if name == "stranger" {
			continue
		}
		c := privacy.Context{OS: privacy.Linux, Host: "laptop-7"}
		var list []gateway.Identity
		for p, n := range map[string]string{before: `CORP\jdoe`, after: "jsmith", other: "ann"} {
			box, err := privacy.Seal(k.Public(), privacy.CanonicalUser(c, n, ""), p)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, gateway.Identity{Pseudonym: p, Sealed: box, OfficerKeyID: k.Public().ID()})
		}
		if _, err := d.Store.(gateway.IdentityStore).PutIdentities(context.Background(), device, list); err != nil {
			t.Fatal(err)
		}
	}
	for file := range files {
		sel := Selector{Kind: gateway.Person, Names: []string{"JDoe", "jsmith"}, Realm: "corp", Host: "LAPTOP-7", OS: privacy.Linux, OfficerKeyFile: file}
		want := 2
		if filepath.Base(file) == "stranger" {
			want = 0
		}
		found, err := d.Find(context.Background(), sel)
		if err != nil || len(found) != want {
			t.Errorf("Find() with the key of the %s = %d, %v; want %d", filepath.Base(file), len(found), err, want)
		}
		sel.OfficerKeyFile = ""
		if found, err := d.Find(context.Background(), sel); err != nil || len(found) != 0 {
			t.Errorf("Find() without a key = %d, %v; want 0", len(found), err)
		}
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"jdoe", "JDoe", "jsmith", before, after} {
		if strings.Contains(string(text), value) {
			t.Errorf("the audit record holds a value")
		}
	}
}
