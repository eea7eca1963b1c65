package activity

import (
	"github.com/discreet-agent/discreet/collectors/nt"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: the time of the last input, which a helper that the service starts in the
// session looks at each second.
// Proof: run under Wine 8.0; a locked session is compiled.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

// newNames returns what names who is logged on in a session; nothing where the system
// does not tell. One goroutine at a time calls it.
func newNames() func(uint32) *eventv1.User {
	accounts := nt.NewAccounts()
	return func(session uint32) *eventv1.User {
		whose, err := accounts.OfSession(session)
		if err != nil {
			return nil
		}
		return &eventv1.User{Name: whose.Name, Sid: whose.SID}
	}
}
