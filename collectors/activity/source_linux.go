package activity

import (
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: idle time that the session helper reads: X11 screen saver alarms, or the
// Wayland idle protocol, or logind.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

// newNames returns what names accounts. One goroutine at a time calls it: the
// sessions hand their reports over one by one.
func newNames() func(uint32) *eventv1.User {
	accounts := procfs.NewAccounts("")
	return func(uid uint32) *eventv1.User {
		name, id := accounts.Find(uid)
		return &eventv1.User{Name: name, Sid: id}
	}
}
