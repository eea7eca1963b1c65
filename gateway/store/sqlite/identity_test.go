package sqlite

import (
	"context"
	"testing"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// TestErasedIdentityLeavesNoBytes searches every file of the store.
func TestErasedIdentityLeavesNoBytes(t *testing.T) {
	dir := t.TempDir() + "/store"
	s, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const dev = gateway.Device("0a9f3f0e-5f0b-4d5c-9c3c-0d6d6a3b9a01")
	name, box := "kaspar-name", "sealed-record-of-kaspar"
	ctx := context.Background()
	if err := s.Append(ctx, dev, gateway.Epoch{1}, 1, []*eventv1.Event{event("kaspar", "", 0)}); err != nil {
		t.Fatal(err)
	}
	list := []gateway.Identity{{Pseudonym: name, Sealed: []byte(box), OfficerKeyID: "00000000"}}
	if _, err := s.PutIdentities(ctx, dev, list); err != nil {
		t.Fatal(err)
	}
	if got := scan(t, dir, box); got[box] == 0 {
		t.Fatal("the search does not find the sealed record before the erasure")
	}
	if _, err := s.Delete(ctx, subjects(t, s, gateway.Query{Names: []string{name}})); err != nil {
		t.Fatal(err)
	}
	for text, n := range scan(t, dir, name, box) {
		if n != 0 {
			t.Errorf("%q stands in %d places after the erasure; want 0", text, n)
		}
	}
}

// TestOlderStoreGetsTheTable opens a store of version 1.
func TestOlderStoreGetsTheTable(t *testing.T) {
	dir := t.TempDir() + "/store"
	s, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.meta.Exec(`DROP TABLE identity; PRAGMA user_version = 1`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(context.Background(), dir, Options{}); err != nil {
		t.Fatalf("Open(version 1) = %v; want nil", err)
	}
	defer s.Close()
	if _, err := s.Identities(context.Background()); err != nil {
		t.Errorf("Identities() = %v; want nil", err)
	}
}
