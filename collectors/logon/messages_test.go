package logon

import (
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

func TestParseMessage(t *testing.T) {
	for _, c := range []struct {
		name       string
		message    uint32
		what, id   uintptr
		want       signal
		told, look bool
	}{
		{"locked", messageSession, 7, 3, signal{eventv1.LogonKind_LOGON_KIND_LOCK, "3"}, true, false},
		{"unlocked", messageSession, 8, 3, signal{eventv1.LogonKind_LOGON_KIND_UNLOCK, "3"}, true, false},
		{"console connected", messageSession, 1, 3, signal{}, false, true},
		{"remote disconnected", messageSession, 4, 3, signal{}, false, true},
		{"logged on", messageSession, 5, 3, signal{}, false, true},
		{"logged off", messageSession, 6, 3, signal{}, false, true},
		{"looked over a shoulder", messageSession, 9, 3, signal{}, false, false},
		{"sleeps", messagePower, 4, 0, signal{kind: eventv1.LogonKind_LOGON_KIND_SLEEP}, true, false},
		{"wakes by itself or for somebody", messagePower, 0x12, 0, signal{kind: eventv1.LogonKind_LOGON_KIND_WAKE}, true, true},
		{"somebody is there after it woke", messagePower, 7, 0, signal{}, false, false},
		{"the charger", messagePower, 10, 0, signal{}, false, false},
		{"another message", 0x10, 7, 3, signal{}, false, false},
	} {
		if got, told, look := parseMessage(c.message, c.what, c.id); got != c.want || told != c.told || look != c.look {
			t.Errorf("%s: parseMessage = %+v, %v, %v; want %+v, %v, %v", c.name, got, told, look, c.want, c.told, c.look)
		}
	}
}
