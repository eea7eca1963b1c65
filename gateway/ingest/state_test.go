package ingest

import (
	"context"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// accounts is a state store that remembers what it was told.
type accounts struct {
	mu  sync.Mutex
	all []gateway.DeviceState
}

func (a *accounts) PutState(_ context.Context, st gateway.DeviceState) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, st)
	return gateway.ErrNotFound // of a device that was deleted meanwhile: nobody's fault
}

func (a *accounts) States(context.Context) ([]gateway.DeviceState, error) { return a.all, nil }

func TestNewestAccountIsKept(t *testing.T) {
	kept := &accounts{}
	s := newSite(t, func(o *Options) { o.States = kept })
	a := s.open("d1")
	a.policy(balanced())
	record := func(ms int64, ev *eventv1.Event) []byte {
		ev.TimeUnixMs = ms
		b, err := proto.Marshal(ev)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	health := func(rss uint64) *eventv1.Event {
		return &eventv1.Event{Kind: &eventv1.Event_AgentHealth{AgentHealth: &eventv1.AgentHealth{RssBytes: rss}}}
	}
	applied := &eventv1.Event{Kind: &eventv1.Event_PolicyApplied{PolicyApplied: &eventv1.PolicyApplied{Accepted: true}}}
	digest := balanced().Digest()
	send := func(first uint64, records ...[]byte) {
		t.Helper()
		b := batch(first, len(records))
		b.PolicyDigest, b.Payload = digest[:], pack(records...)
		if d := a.batch(b); d.GetAck() == nil {
			t.Fatalf("answer = %v; want an ack", d)
		}
	}
	send(1, record(1000, health(1)), record(2000, applied), record(3000, health(2)), software("p"))
	send(10, software("p"))
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if len(kept.all) != 1 {
		t.Fatalf("PutState was called %d times; want once, for the batch with accounts", len(kept.all))
	}
	st := kept.all[0]
	if st.Device != "d1" || st.Health.GetRssBytes() != 2 || st.HealthAt.UnixMilli() != 3000 || !st.Policy.GetAccepted() || st.PolicyAt.UnixMilli() != 2000 {
		t.Errorf("PutState(%s, rss %d at %d, policy at %d); want d1's newest of each", st.Device, st.Health.GetRssBytes(), st.HealthAt.UnixMilli(), st.PolicyAt.UnixMilli())
	}
	if !s.srv.Connected("d1") || s.srv.Connected("d2") {
		t.Errorf("Connected(d1), Connected(d2) = %t, %t; want true, false", s.srv.Connected("d1"), s.srv.Connected("d2"))
	}
}
