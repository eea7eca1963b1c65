package ingest

import (
	"bytes"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// TestPushReachesEveryStream: those that are open, and those that open later.
func TestPushReachesEveryStream(t *testing.T) {
	s := newSite(t, nil)
	first := s.open("d1")
	s.srv.Push([]byte("one"))
	if got := first.recv().GetPolicyBundle().GetEnvelope(); !bytes.Equal(got, []byte("one")) {
		t.Fatalf("open stream got %q; want one", got)
	}
	second := s.open("d2")
	if got := second.recv().GetPolicyBundle().GetEnvelope(); !bytes.Equal(got, []byte("one")) {
		t.Fatalf("new stream got %q; want one", got)
	}
	s.srv.Push([]byte("two"))
	for i, a := range []*agent{first, second} {
		if got := a.recv().GetPolicyBundle().GetEnvelope(); !bytes.Equal(got, []byte("two")) {
			t.Errorf("stream %d got %q; want two", i, got)
		}
	}
	s.srv.Push(nil)
	third := s.open("d1")
	third.policy(balanced())
	digest := balanced().Digest()
	b := batch(1, 1)
	b.PolicyDigest, b.Payload = digest[:], pack(software("p"))
	if d := third.batch(b); d.GetAck() == nil {
		t.Errorf("answer after the push was ended = %v; want the ack and no bundle", d)
	}
}

// TestConfigStatusIsKept: what cannot be meant is counted and not kept.
func TestConfigStatusIsKept(t *testing.T) {
	kept := &accounts{}
	s := newSite(t, func(o *Options) { o.States = kept })
	a := s.open("d1")
	a.policy(balanced())
	for _, m := range []*uplinkv1.ConfigStatus{
		{Version: 3, Applied: true},
		{Version: 4, Applied: true, Reason: eventv1.PolicyRefusal_POLICY_REFUSAL_OLDER},
		{Version: 5},
		{Version: 6, Reason: 77},
		{Version: 7, Reason: eventv1.PolicyRefusal_POLICY_REFUSAL_SIGNATURE},
	} {
		a.send(&uplinkv1.Up{Message: &uplinkv1.Up_ConfigStatus{ConfigStatus: m}})
	}
	digest := balanced().Digest()
	b := batch(1, 1)
	b.PolicyDigest, b.Payload = digest[:], pack(software("p"))
	a.batch(b) // by its answer all of them were read
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if len(kept.all) != 2 || kept.all[0].Push.Version != 3 || kept.all[0].Push.Reason != 0 ||
		kept.all[1].Push.Version != 7 || kept.all[1].Push.Reason != eventv1.PolicyRefusal_POLICY_REFUSAL_SIGNATURE {
		t.Errorf("kept %d states; want version 3 taken and version 7 refused for its signature", len(kept.all))
	}
}
