package ingest

import (
	"errors"
	"slices"
	"time"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// keepState notes the newest account of itself among what a device sent. Most
// batches hold none, and cost nothing here. That it was not noted is no reason to
// refuse the batch: the next account comes in minutes.
func (t *session) keepState(events []*eventv1.Event) {
	if t.s.o.States == nil {
		return
	}
	st := gateway.DeviceState{Device: t.dev}
	for _, ev := range slices.Backward(events) {
		at := time.UnixMilli(ev.GetTimeUnixMs())
		if h := ev.GetAgentHealth(); h != nil && st.Health == nil {
			st.Health, st.HealthAt = h, at
		}
		if p := ev.GetPolicyApplied(); p != nil && st.Policy == nil {
			st.Policy, st.PolicyAt = p, at
		}
	}
	if st.Health == nil && st.Policy == nil {
		return
	}
	t.putState(st)
}

// putState keeps a state, unless its device was deleted meanwhile.
func (t *session) putState(st gateway.DeviceState) {
	if err := t.s.o.States.PutState(t.ctx, st); err != nil && !errors.Is(err, gateway.ErrNotFound) {
		t.s.storeFails(t.dev, err)
	}
}
