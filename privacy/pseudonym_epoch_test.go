package privacy

import (
	"strings"
	"testing"
	"time"
)

func TestEpochOf(t *testing.T) {
	zone := time.FixedZone("east", 14*3600)
	for _, row := range []struct {
		name, length string
		at           time.Time
		want         Epoch
		start, end   string
	}{
		{"none", "none", time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), "", "0001-01-01", "0001-01-01"},
		{"unknown length", "week", time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), "", "0001-01-01", "0001-01-01"},
		{"year", "year", time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), "2026y", "2026-01-01", "2027-01-01"},
		{"first quarter", "quarter", time.Date(2026, 3, 31, 23, 59, 59, 999, time.UTC), "2026q1", "2026-01-01", "2026-04-01"},
		{"second quarter", "quarter", time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), "2026q2", "2026-04-01", "2026-07-01"},
		{"last quarter", "quarter", time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC), "2026q4", "2026-10-01", "2027-01-01"},
		{"month", "month", time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC), "2024m02", "2024-02-01", "2024-03-01"},
		{"the name is of UTC", "month", time.Date(2027, 1, 1, 13, 0, 0, 0, zone), "2026m12", "2026-12-01", "2027-01-01"},
		{"a clock before 1970", "year", time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), "1970y", "1970-01-01", "1971-01-01"},
		{"a clock far ahead", "year", time.Date(29999, 1, 1, 0, 0, 0, 0, time.UTC), "9998y", "9998-01-01", "9999-01-01"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := EpochOf(row.length, row.at)
			if got != row.want || got.Start().Format(time.DateOnly) != row.start || got.End().Format(time.DateOnly) != row.end {
				t.Errorf("EpochOf = %q, %v to %v; want %q, %s to %s", got, got.Start(), got.End(), row.want, row.start, row.end)
			}
			if back, ok := ParseEpoch(string(got)); got != "" && (!ok || back != got) {
				t.Errorf("ParseEpoch(%q) = %q, %t; want it back", got, back, ok)
			}
		})
	}
}

func TestParseEpochRefuses(t *testing.T) {
	for _, name := range []string{"", "2026", "2026x", "2026y1", "2026q0", "2026q5", "2026q", "2026q04", "2026m00", "2026m13", "2026m1", "2026m+1", "+026y", "1969y", "9999y", "2026q4 ", "20262q4"} {
		if e, ok := ParseEpoch(name); ok {
			t.Errorf("ParseEpoch(%q) = %q; want a refusal", name, e)
		}
	}
}

func FuzzParseEpoch(f *testing.F) {
	for _, seed := range []string{"2026y", "2026q4", "2026m11", "2026m+1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		e, ok := ParseEpoch(name)
		if !ok {
			return
		}
		if string(e) != name || !e.End().After(e.Start()) || EpochOf(e.Length(), e.Start()) != e || EpochOf(e.Length(), e.End().Add(-1)) != e {
			t.Errorf("ParseEpoch(%q) = %q, %v to %v; want what EpochOf makes", name, e, e.Start(), e.End())
		}
	})
}

func TestEpochTurn(t *testing.T) {
	for _, row := range []struct {
		name             string
		was, clock, want Epoch
	}{
		{"the same", "2026q4", "2026q4", "2026q4"},
		{"forward", "2026q4", "2027q1", "2027q1"},
		{"forward by years", "2026q4", "2038q1", "2038q1"},
		{"back by less than an epoch", "2027q1", "2026q4", "2027q1"},
		{"back by more", "2027q1", "2026q3", "2026q3"},
		{"another length", "2027q1", "2026m12", "2026m12"},
		{"no epochs before", "", "2026m12", "2026m12"},
		{"no epochs after", "2026m12", "", ""},
	} {
		if got := row.was.Turn(row.clock); got != row.want {
			t.Errorf("%s: Turn(%q) from %q = %q; want %q", row.name, row.clock, row.was, got, row.want)
		}
	}
}

// TestS29EpochsShareNothing: one name has another pseudonym in each epoch, and
// the id says which.
func TestS29EpochsShareNothing(t *testing.T) {
	s := secretOf(t, goodSecret("a"))
	seen := map[string]Epoch{}
	for _, e := range []Epoch{"", "2026y", "2026q4", "2026m11", "2026m12"} {
		p, err := s.Pseudonyms("it1", e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.Pseudonyms("it1", e)
		if err != nil {
			t.Fatal(err)
		}
		out := p.make(purposeUser, "jdoe")
		if out != again.make(purposeUser, "jdoe") || !PseudonymShape(out) || !strings.HasPrefix(out, "p1.it1"+string(e)+".") {
			t.Errorf("pseudonym in %q = %q; want one that stays, under the id it1%s", e, out, e)
		}
		digits := out[strings.LastIndexByte(out, '.'):]
		if other, ok := seen[digits]; ok {
			t.Errorf("epochs %q and %q share a pseudonym", e, other)
		}
		seen[digits] = e
		if got, ok := s.EpochOf("it1", p.KeyID()); !ok || got != e {
			t.Errorf("EpochOf(%q) = %q, %t; want %q", p.KeyID(), got, ok, e)
		}
	}
	for _, id := range []string{"it", "it2", "it12", "it1x", "it12026q5", "xit12026y"} {
		if e, ok := s.EpochOf("it1", id); ok {
			t.Errorf("EpochOf(%q) = %q; want that it is of another key", id, e)
		}
	}
	for _, id := range []string{"abcdefghij", "IT", "i.t"} {
		if _, err := s.Pseudonyms(id, "2026m11"); err == nil || !strings.Contains(err.Error(), "hint: ") {
			t.Errorf("Pseudonyms(%q) = %v; want a refusal with a way out", id, err)
		}
	}
	if _, err := s.Pseudonyms("it1", "2026w07"); err == nil {
		t.Errorf("Pseudonyms of an unknown epoch = nil; want an error")
	}
}

func secretOf(t *testing.T, secret []byte) *Secret {
	t.Helper()
	s := &Secret{newVault(secretSize)}
	copy(s.v.mem, secret)
	t.Cleanup(s.Close)
	return s
}

// TestSIDPseudonymAgreesWithTheFilter gives the rules and the duties one SID.
func TestSIDPseudonymAgreesWithTheFilter(t *testing.T) {
	keys := testKeys(t)
	for _, sid := range []string{"S-1-5-21-1-2-3-1001", " s-1-5-21-1-2-3-1001", "S-1-5-18", "S-1-5-19", "jdoe", "1000", ""} {
		want := newRules(testContext(Windows), keys).userSID(Hashed, sid)
		if got := SIDPseudonym(keys, testContext(Windows), sid); got != want {
			t.Errorf("SIDPseudonym(%q) = %q; want %q", sid, got, want)
		}
	}
}
