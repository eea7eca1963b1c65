package duties

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// writeKey writes a fresh secret and returns its file.
func writeKey(t *testing.T) string {
	t.Helper()
	secret, err := privacy.NewSecret()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func count(t *testing.T, d *Duties, s Selector) int {
	t.Helper()
	found, err := d.Find(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// TestS29DutiesCoverEveryEpoch: one clear name finds, hands over and deletes what
// is held of a person under the keys of every epoch, with the id given or derived.
func TestS29DutiesCoverEveryEpoch(t *testing.T) {
	for _, id := range []string{"", "it1"} {
		file := writeKey(t)
		c := privacy.Context{OS: privacy.Linux, Host: "pc"}
		var ev []*eventv1.Event
		for i, e := range []privacy.Epoch{"", "2019y", "2026q3", "2026q4", "2026m11"} {
			keys, err := privacy.ReadKeyFileOf(file, id, e)
			if err != nil {
				t.Fatal(err)
			}
			ev = append(ev, use(privacy.UserPseudonym(keys, c, "ann", "1000"), "vi", -i), use(privacy.UserPseudonym(keys, c, "ben", "1001"), "vi", -i))
		}
		stranger, err := privacy.ReadKeyFileOf(writeKey(t), "it12", "2026q4") // its id begins like ours
		if err != nil {
			t.Fatal(err)
		}
		ev = append(ev, use(privacy.UserPseudonym(stranger, c, "ann", "1000"), "vi", 0))
		d, _ := newDuties(t, ev...)
		sel := Selector{Kind: gateway.Person, Names: []string{"ann"}, KeyFile: file, KeyID: id, Host: "pc", OS: privacy.Linux}
		ids := d.ids(t, sel)
		if len(ids) != 5 {
			t.Fatalf("Find() with key id %q = %d; want one in each of 5 epochs", id, len(ids))
		}
		if got, err := d.Delete(context.Background(), ids); err != nil || got != (gateway.Erased{Subjects: 5, Events: 5}) {
			t.Errorf("Delete() = %+v, %v; want 5 and 5", got, err)
		}
		if left := count(t, d, sel); left != 0 {
			t.Errorf("Find() after the deletion = %d; want 0", left)
		}
		sel.Names = []string{"ben"}
		if other := d.ids(t, sel); len(other) != 5 {
			t.Errorf("Find(ben) after the deletion of ann = %d; want 5", len(other))
		}
	}
}

// TestS59FindBySIDAndUPN gives the names to the filter and the clear ones to the
// duties, in another spelling.
func TestS59FindBySIDAndUPN(t *testing.T) {
	file := writeKey(t)
	keys, err := privacy.ReadKeyFileOf(file, "it1", "2026q4")
	if err != nil {
		t.Fatal(err)
	}
	p, _ := privacy.Preset("strict")
	for k, l := range map[privacy.Key]privacy.Level{privacy.Username: privacy.Drop, privacy.UPN: privacy.Hashed, privacy.UserSID: privacy.Hashed, privacy.Processes: privacy.Each} {
		var ok bool
		if p, ok = p.With(k, l); !ok {
			t.Fatalf("%s has no level %s", k, l)
		}
	}
	filter := privacy.NewFilter(p, privacy.Context{OS: privacy.Windows, Host: "pc", Location: time.UTC}, keys)
	pass := func(upn, sid string) *eventv1.Event {
		ev, err := filtered(filter, &eventv1.Event{TimeUnixMs: now.UnixMilli(), Kind: &eventv1.Event_ProcessStart{ProcessStart: &eventv1.ProcessStart{
			Program: &eventv1.Program{Name: "vi"}, User: &eventv1.User{Name: `CORP\x`, Upn: upn, Sid: sid}}}})
		if err != nil {
			t.Fatal(err)
		}
		return ev
	}
	const sid = "S-1-5-21-1-2-3-1001"
	d, _ := newDuties(t, pass("Ann@Corp.example", ""), pass("", sid), pass("ben@corp.example", "S-1-5-21-1-2-3-1002"))
	for name, want := range map[string]int{"ann@corp.EXAMPLE": 1, " s-1-5-21-1-2-3-1001": 1, "BEN@corp.example": 1, "S-1-5-21-1-2-3-1003": 0, "S-1-5-18": 0, "eve@corp.example": 0} {
		sel := Selector{Kind: gateway.Person, Names: []string{name}, KeyFile: file, KeyID: "it1", OS: privacy.Windows}
		if got := count(t, d, sel); got != want {
			t.Errorf("Find(%s) = %d; want %d", name, got, want)
		}
	}
}

func filtered(f *privacy.Filter, raw *eventv1.Event) (*eventv1.Event, error) {
	c, ok := f.Apply(raw)
	if !ok {
		return nil, errors.New("the policy of the test drops the event")
	}
	out := &eventv1.Event{}
	return out, proto.Unmarshal(c.AppendTo(nil), out)
}

// TestRetrieveSealedNames: the archive holds the sealed names of the person and
// of nobody else, opened with the officer's key only; a deletion takes them away.
func TestRetrieveSealedNames(t *testing.T) {
	ann, ben := "p1.k."+strings.Repeat("a", 26), "p1.k."+strings.Repeat("b", 25)+"a"
	d, _ := newDuties(t, use(ann, "vi", 0), use(ben, "vi", 0))
	k, err := privacy.GenerateOfficerKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.PEM()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "officer.key")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	keeper := d.Store.(gateway.IdentityStore)
	for p, name := range map[string]string{ann: `CORP\anna`, ben: `CORP\bennett`} {
		box, err := privacy.Seal(k.Public(), privacy.CanonicalUser(privacy.Context{OS: privacy.Windows}, name, ""), p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keeper.PutIdentities(context.Background(), device, []gateway.Identity{{Pseudonym: p, Sealed: box, OfficerKeyID: k.Public().ID()}}); err != nil {
			t.Fatal(err)
		}
	}
	ids := d.ids(t, Selector{Kind: gateway.Person, Pseudonyms: []string{ann}})
	for _, row := range []struct {
		name, key string
		opened    bool
	}{{"without the officer's key", "", false}, {"with the officer's key", file, true}} {
		d.OfficerKeyFile = row.key
		var b bytes.Buffer
		if err := d.Retrieve(context.Background(), ids, &b); err != nil {
			t.Fatal(err)
		}
		got := member(t, &b, "gdpr-data/sealed_names.csv")
		if strings.Count(got, "p1.k.") != 1 || !strings.Contains(got, ann) {
			t.Errorf("%s: sealed_names.csv = %q; want the one record of the person", row.name, got)
		}
		if strings.Contains(got, `corp\anna`) != row.opened || strings.Contains(got, "bennett") {
			t.Errorf("%s: sealed_names.csv = %q; want her name opened: %t", row.name, got, row.opened)
		}
	}
	if _, err := d.Delete(context.Background(), ids); err != nil {
		t.Fatal(err)
	}
	left, err := keeper.Identities(context.Background())
	if err != nil || len(left) != 1 || left[0].Pseudonym != ben {
		t.Errorf("Identities() after the deletion = %d, %v; want the other person's", len(left), err)
	}
}

// member returns a file of an archive.
func member(t *testing.T, r io.Reader, name string) string {
	t.Helper()
	zip, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(zip); ; {
		h, err := files.Next()
		if err != nil {
			t.Fatalf("%s is not in the archive: %v", name, err)
		}
		if h.Name == name {
			text, err := io.ReadAll(files)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
	}
}
