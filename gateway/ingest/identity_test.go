package ingest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/privacy"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// people is an identity store that knows some pseudonyms.
type people struct {
	mu    sync.Mutex
	known []string
	calls int
	kept  []gateway.Identity
}

func (p *people) PutIdentities(_ context.Context, dev gateway.Device, list []gateway.Identity) (settled []string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	for _, id := range list {
		if slices.Contains(p.known, id.Pseudonym) {
			id.Device = dev
			p.kept, settled = append(p.kept, id), append(settled, id.Pseudonym)
		}
	}
	return settled, nil
}

func (p *people) Identities(context.Context) ([]gateway.Identity, error) { return p.kept, nil }

func TestIdentitiesWaitForTheirPeople(t *testing.T) {
	k, err := privacy.GenerateOfficerKey()
	if err != nil {
		t.Fatal(err)
	}
	ann, ben := "p1.k."+strings.Repeat("a", 26), "p1.k."+strings.Repeat("b", 25)+"a"
	box, err := privacy.Seal(k.Public(), "corp\x1fann", ann)
	if err != nil {
		t.Fatal(err)
	}
	store := &people{known: []string{ann}}
	s := newSite(t, func(o *Options) { o.Identities = store })
	a := s.open("d1")
	a.policy(balanced())
	sent := []*uplinkv1.Identity{
		{Pseudonym: ann, Sealed: box, OfficerKeyId: k.Public().ID()},
		{Pseudonym: ben, Sealed: box, OfficerKeyId: k.Public().ID()},
		{Pseudonym: "CORP\\ann", Sealed: box, OfficerKeyId: k.Public().ID()},
		{Pseudonym: ann, Sealed: make([]byte, 2000), OfficerKeyId: k.Public().ID()},
		{Pseudonym: ann, Sealed: []byte("ann"), OfficerKeyId: k.Public().ID()},
		{Pseudonym: ann, Sealed: box, OfficerKeyId: "anna"},
	}
	for _, m := range sent {
		a.send(&uplinkv1.Up{Message: &uplinkv1.Up_Identity{Identity: m}})
	}
	for seq := range uint64(2) {
		if d := a.batch(batch(seq*10+1, 1)); d.GetAck() == nil {
			t.Fatalf("answer = %v; want an ack", d)
		}
	}
	store.mu.Lock()
	defer store.mu.Unlock()
	if len(store.kept) != 1 || store.kept[0].Pseudonym != ann || store.kept[0].Device != "d1" || !slices.Equal(store.kept[0].Sealed, box) {
		t.Errorf("kept = %d identities; want that of ann, once", len(store.kept))
	}
	if store.calls != 2 {
		t.Errorf("PutIdentities was called %d times; want 2: ben still waits", store.calls)
	}
	if c := s.srv.Counters(); c.Identities != uint64(len(sent)) {
		t.Errorf("Identities = %d; want %d", c.Identities, len(sent))
	}
}
