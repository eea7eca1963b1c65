package storetest

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/discreet-agent/discreet/gateway"
)

var identityCases = []storeCase{
	{"identity/only_of_people_who_are_there", identityNeedsAPerson},
	{"identity/delete", func(f *fixture) { identityGoes(f, f.Delete) }},
	{"identity/anonymise", func(f *fixture) { identityGoes(f, f.Anonymise) }},
	{"identity/delete_the_machine", identityGoesWithMachine},
	{"identity/expire", identityExpires},
	{"identity/survives", identitySurvives},
	{"identity/key_ids", keyIDs},
}

func identities(f *fixture) gateway.IdentityStore {
	f.Helper()
	s, ok := f.Store.(gateway.IdentityStore)
	if !ok {
		f.Skipf("%T is no gateway.IdentityStore", f.Store)
	}
	return s
}

func seal(pseudonym string) gateway.Identity {
	return gateway.Identity{Pseudonym: pseudonym, Sealed: []byte("sealed-name-of-" + pseudonym), OfficerKeyID: "0badc0de"}
}

func (f *fixture) identify(dev gateway.Device, want int, names ...string) {
	f.Helper()
	var list []gateway.Identity
	for _, n := range names {
		list = append(list, seal(n))
	}
	settled, err := identities(f).PutIdentities(context.Background(), dev, list)
	if err != nil || len(settled) != want {
		f.Errorf("PutIdentities(%v) settled %v, %v; want %d", names, settled, err, want)
	}
}

func (f *fixture) wantIdentities(want ...string) {
	f.Helper()
	list, err := identities(f).Identities(context.Background())
	if err != nil {
		f.Fatalf("Identities() = %v; want nil", err)
	}
	got := []string{}
	for _, id := range list {
		got = append(got, string(id.Device[:2])+"/"+id.Pseudonym)
		if w := seal(id.Pseudonym); !bytes.Equal(id.Sealed, w.Sealed) || id.OfficerKeyID != w.OfficerKeyID {
			f.Errorf("identity of %s changed on its way", id.Pseudonym)
		}
	}
	if !slices.Equal(got, append([]string{}, want...)) {
		f.Errorf("Identities() = %v; want %v", got, want)
	}
}

func identityNeedsAPerson(f *fixture) {
	f.identify(devA, 0, "ann")
	f.wantIdentities()
	f.put(devA, epoch(1), 1, usage(at(0), "ann", "a"), usage(at(0), "ben", "b"))
	for range 2 { // idempotent
		f.identify(devA, 2, "ann", "ben", "nobody")
	}
	f.wantIdentities("0a/ann", "0a/ben")
	f.put(devB, epoch(1), 1, usage(at(0), "ann", "a"))
	f.identify(devB, 1, "ann")
	f.wantIdentities("0a/ann", "0a/ben", "1b/ann")
}

// identityGoes: what was erased does not come back when the agent, which does
// not know, sends it again; a person who is reported again is found again.
func identityGoes(f *fixture, erase func(context.Context, []gateway.SubjectID) (gateway.Erased, error)) {
	f.put(devA, epoch(1), 1, usage(at(0), "ann", "a"), usage(at(0), "ben", "b"))
	f.identify(devA, 2, "ann", "ben")
	if _, err := erase(context.Background(), []gateway.SubjectID{f.one(gateway.Person, "ann")}); err != nil {
		f.Fatal(err)
	}
	f.wantIdentities("0a/ben")
	f.identify(devA, 1, "ann", "ben")
	f.wantIdentities("0a/ben")
	f.put(devA, epoch(1), 3, usage(at(0), "ann", "a"))
	f.identify(devA, 1, "ann")
	f.wantIdentities("0a/ann", "0a/ben")
}

func identityGoesWithMachine(f *fixture) {
	f.put(devA, epoch(1), 1, machine(at(0), "host"), usage(at(0), "ann", "a"))
	f.put(devB, epoch(1), 1, usage(at(0), "ann", "a"))
	f.identify(devA, 1, "ann")
	f.identify(devB, 1, "ann")
	if _, err := f.Delete(context.Background(), []gateway.SubjectID{f.one(gateway.Machine, "host")}); err != nil {
		f.Fatal(err)
	}
	f.wantIdentities("1b/ann")
}

func identityExpires(f *fixture) {
	f.put(devA, epoch(1), 1, usage(at(5), "ann", "a"), usage(at(0), "ben", "b"))
	f.identify(devA, 2, "ann", "ben")
	if _, err := f.Expire(context.Background(), at(1)); err != nil {
		f.Fatal(err)
	}
	f.wantIdentities("0a/ben")
}

func identitySurvives(f *fixture) {
	f.put(devA, epoch(1), 1, usage(at(0), "ann", "a"))
	f.identify(devA, 1, "ann")
	f.reopen()
	f.wantIdentities("0a/ann")
}

// keyIDs: what an erasure took away is not named any more.
func keyIDs(f *fixture) {
	keyed, ok := f.Store.(gateway.KeyStore)
	if !ok {
		f.Skipf("%T is no gateway.KeyStore", f.Store)
	}
	want := func(want ...string) {
		f.Helper()
		if got, err := keyed.KeyIDs(context.Background()); err != nil || !slices.Equal(got, append([]string{}, want...)) && len(got)+len(want) > 0 {
			f.Errorf("KeyIDs() = %q, %v; want %q", got, err, want)
		}
	}
	want()
	digits := strings.Repeat("a", 26)
	upn := usage(at(0), "ben", "b")
	upn.GetExecutionSummary().User.Upn, upn.GetExecutionSummary().User.Sid = "p1.k3."+digits, "p1.k1."+digits
	f.put(devA, epoch(1), 1, usage(at(0), "p1.k1."+digits, "a"), upn, machine(at(0), "p1.k2."+digits),
		usage(at(0), "p1.", "a"), usage(at(0), "p1..x", "a"), usage(at(0), "p1.nodot", "a"))
	want("k1", "k2", "k3")
	if _, err := f.Delete(context.Background(), []gateway.SubjectID{f.one(gateway.Person, "ben")}); err != nil {
		f.Fatal(err)
	}
	want("k1", "k2")
}
