package agent

import "github.com/discreet-agent/discreet/privacy"

// tighten takes from what waits in the spool what p forbids. The filter of p must
// be in force, so that nothing laxer comes after. When it returns, nothing that
// was read from the spool before is sent any more.
func (a *Agent) tighten(p privacy.Policy) {
	dropped, changed, err := a.spool.Tighten(p)
	if err != nil {
		a.log.Error("a stricter policy could not be applied to all of the spool", "err", err)
	}
	if dropped > 0 || changed > 0 || err != nil {
		a.uplink.Reset()
		a.log.Info("a stricter policy was applied to the spool", "dropped", dropped, "changed", changed)
	}
}
