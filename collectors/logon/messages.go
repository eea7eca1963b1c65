package logon

import (
	"strconv"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// What Windows sends to windows that asked for it (winuser.h).
const (
	messagePower   = 0x218 // WM_POWERBROADCAST
	messageSession = 0x2b1 // WM_WTSSESSION_CHANGE
)

// parseMessage reads a message about a session or about the device's sleep. look
// says that the list of sessions is another now; what there is to report of that,
// the list tells.
func parseMessage(message uint32, what, id uintptr) (s signal, told, look bool) {
	const (
		suspends = 4    // PBT_APMSUSPEND
		resumed  = 0x12 // PBT_APMRESUMEAUTOMATIC
		locked   = 7    // WTS_SESSION_LOCK
		unlocked = 8
		control  = 9 // somebody looks over a shoulder
	)
	switch message {
	case messagePower:
		switch what {
		case suspends:
			return signal{kind: eventv1.LogonKind_LOGON_KIND_SLEEP}, true, false
		case resumed:
			return signal{kind: eventv1.LogonKind_LOGON_KIND_WAKE}, true, true
		}
	case messageSession:
		name := strconv.FormatUint(uint64(uint32(id)), 10)
		switch what {
		case locked:
			return signal{eventv1.LogonKind_LOGON_KIND_LOCK, name}, true, false
		case unlocked:
			return signal{eventv1.LogonKind_LOGON_KIND_UNLOCK, name}, true, false
		case control:
		default: // it came, went, was connected or disconnected
			return signal{}, false, true
		}
	}
	return signal{}, false, false
}
