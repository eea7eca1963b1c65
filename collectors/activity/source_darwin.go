package activity

import (
	"github.com/discreet-agent/discreet/collectors/libproc"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: idle time of the input system, which the session helper asks for, and
// whether the session is locked.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

// newNames returns what names accounts. One goroutine at a time calls it.
func newNames() func(uint32) *eventv1.User {
	accounts := libproc.NewAccounts()
	return func(uid uint32) *eventv1.User {
		name, id := accounts.Find(uid)
		return &eventv1.User{Name: name, Sid: id}
	}
}
