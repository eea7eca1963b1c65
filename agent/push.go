package agent

import (
	"bytes"

	"github.com/discreet-agent/discreet/configs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// push takes a policy from the stream, which does not wait. Of two that come at
// once the later one counts.
func (a *Agent) push(envelope []byte) {
	for {
		select {
		case a.pushed <- bytes.Clone(envelope):
			return
		default:
		}
		select {
		case <-a.pushed:
		default:
		}
	}
}

// takePush keeps a pushed policy if it holds. The watch of the settings sees the
// file and applies it like any other.
func (a *Agent) takePush(envelope []byte) {
	t := a.loader.Take(envelope)
	switch {
	case t.Reason != 0:
		a.log.Warn("pushed policy refused", "version", t.Version, "reason", t.Reason.String(), "wrong", t.Text)
		a.reportPush(t.Version, t.Reason)
	case t.Kept:
		a.log.Info("pushed policy taken", "version", t.Version)
		a.taken = t.Version
	default: // it came again
		a.reportPush(t.Version, 0)
	}
}

// pushApplied tells the gateway that what it pushed is in force.
func (a *Agent) pushApplied(l *configs.Loaded) {
	if a.taken != 0 && int64(pushVersion(l)) >= a.taken {
		a.taken = 0
		a.reportPush(int64(pushVersion(l)), 0)
	}
}

// reportPush tells the gateway what became of a policy that it pushed.
func (a *Agent) reportPush(version int64, reason eventv1.PolicyRefusal) {
	a.mu.Lock()
	digest := a.loaded.Policy.Digest()
	a.mu.Unlock()
	a.uplink.ReportConfig(&uplinkv1.ConfigStatus{Digest: digest[:], Applied: reason == 0, Version: uint64(version), Reason: reason})
}
