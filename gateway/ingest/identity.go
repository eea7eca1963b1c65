package ingest

import (
	"bytes"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/privacy"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// maxPending bounds the identities that wait on one stream for their people to
// appear. Past it they are dropped: the agent sends them again with its next
// stream.
const maxPending = 1024

// identity lets a sealed name wait until a batch has told of the person. One of
// a wrong shape is counted and dropped: nothing depends on it but that the
// officer finds the person.
func (t *session) identity(m *uplinkv1.Identity) {
	t.s.count.identities.Add(1)
	if t.s.o.Identities == nil || !identityShape(m) || len(t.pending) >= maxPending {
		return
	}
	t.pending[m.GetPseudonym()] = gateway.Identity{
		Pseudonym: m.GetPseudonym(), Sealed: bytes.Clone(m.GetSealed()), OfficerKeyID: m.GetOfficerKeyId(),
	}
}

// identityShape reports whether m can come from an agent. What is sealed is at
// most 305 bytes; no text of a hostile agent reaches the store.
func identityShape(m *uplinkv1.Identity) bool {
	return privacy.PseudonymShape(m.GetPseudonym()) && privacy.SealedShape(m.GetSealed()) && privacy.OfficerKeyIDShape(m.GetOfficerKeyId())
}

// settleIdentities stores the identities of those people whom the store knows by
// now. An error is only counted: they come again.
func (t *session) settleIdentities() {
	if len(t.pending) == 0 {
		return
	}
	list := make([]gateway.Identity, 0, len(t.pending))
	for _, id := range t.pending {
		list = append(list, id)
	}
	ctx, cancel := t.storing()
	defer cancel()
	settled, err := t.s.o.Identities.PutIdentities(ctx, t.dev, list)
	if err != nil {
		t.s.storeFails(t.dev, err)
		return
	}
	for _, p := range settled {
		delete(t.pending, p)
	}
}
