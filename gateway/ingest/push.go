package ingest

import (
	"slices"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// pushed is the signed policy that every agent is sent, and what tells streams of
// the next one.
type pushed struct {
	envelope []byte // nil: none
	next     chan struct{}
}

// Push sends a signed policy to every agent: to those that are connected now, and
// to each that connects later. nil stops that; agents keep what they have. What it
// says is not looked at: an agent believes only its signers.
func (s *Server) Push(envelope []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.push.next)
	s.push = pushed{slices.Clone(envelope), make(chan struct{})}
}

func (s *Server) pushed() pushed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.push
}

// sendPush sends the policy of the moment. The stream waits for the next one.
func (t *session) sendPush() error {
	t.push = t.s.pushed()
	if t.push.envelope == nil {
		return nil
	}
	return t.stream.Send(&uplinkv1.Down{Message: &uplinkv1.Down_PolicyBundle{PolicyBundle: &uplinkv1.PolicyBundle{Envelope: t.push.envelope}}})
}

// configStatus notes what became of it there.
func (t *session) configStatus(m *uplinkv1.ConfigStatus) {
	t.s.count.reports.Add(1)
	if t.s.o.States == nil || m.GetApplied() != (m.GetReason() == 0) || eventv1.PolicyRefusal_name[int32(m.GetReason())] == "" {
		return
	}
	t.putState(gateway.DeviceState{Device: t.dev, Push: &gateway.PushState{Version: m.GetVersion(), Reason: m.GetReason()}, PushAt: t.s.o.Now()})
}
