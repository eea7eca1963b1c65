package focus

import (
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/nt"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: the process of the window in front, which a helper that the service starts in
// the session looks at each second.
// Proof: run under Wine 8.0; applications in a frame of the system's (UWP) and a locked
// session are compiled.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

// people names the accounts of sessions, and the programs in them. One goroutine at a
// time uses it.
type people struct{ accounts *nt.Accounts }

func newPeople(collectors.Env) *people { return &people{nt.NewAccounts()} }

// user returns who is logged on in a session; nothing where the system does not tell.
func (p *people) user(session uint32) *eventv1.User {
	whose, err := p.accounts.OfSession(session)
	if err != nil {
		return nil
	}
	return &eventv1.User{Name: whose.Name, Sid: whose.SID}
}

// program describes what was in front. A process of another session is not looked at:
// a number can be wrong, or a lie.
func (p *people) program(f collectors.Focused) *eventv1.Program {
	if at, err := nt.SessionOf(f.PID); f.PID != 0 && err == nil && at == f.UID {
		if h, err := nt.Hold(f.PID); err == nil {
			defer h.Close()
			if path, err := h.Path(); err == nil {
				return &eventv1.Program{Name: nt.BaseName(path), Path: path}
			}
		}
	}
	return &eventv1.Program{Name: f.App}
}
