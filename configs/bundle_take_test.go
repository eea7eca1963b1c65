package configs

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// takingPaths are pushPaths with a place for what the gateway pushes.
func takingPaths(t *testing.T) (p AgentPaths, good string) {
	p = pushPaths(t, "1")
	good = filepath.Join(filepath.Dir(p.File), "good")
	p.TakenFile = filepath.Join(good, "push.json")
	return p, good
}

// TestTake: a bundle that the gateway sends is held to all that one in a file is,
// and what is refused changes nothing.
func TestTake(t *testing.T) {
	const drop = "privacy: {username: drop}"
	p, good := takingPaths(t)
	l := NewLoader(p, good)
	if got := l.Load(); got.Policy.Level(privacy.Username) != privacy.Cleartext {
		t.Fatalf("username = %v; want cleartext", got.Policy.Level(privacy.Username))
	}
	first := seal(payloadOf(5, drop), testKey(1))
	if got := l.Take(first); !got.Kept || got.Version != 5 || got.Reason != 0 {
		t.Fatalf("Take() = %+v; want version 5 kept", got)
	}
	if got := l.Load(); got.Policy.Level(privacy.Username) != privacy.Drop || len(got.Faults) > 0 || got.Pushed == nil {
		t.Fatalf("username = %v, faults %v; want drop by the push", got.Policy.Level(privacy.Username), got.Faults)
	}
	if got := l.Take(first); got.Kept || got.Reason != 0 {
		t.Errorf("Take() again = %+v; want nothing to do", got)
	}
	old := seal(payloadOf(4, "privacy: {username: cleartext}"), testKey(1))
	for _, tt := range []struct {
		name string
		data []byte
		want eventv1.PolicyRefusal
	}{
		{"nonsense", []byte("{"), refusedSignature},
		{"nothing", nil, refusedSignature},
		{"a stranger's", seal(payloadOf(6, drop), testKey(3)), refusedSignature},
		{"an older one", old, refusedOlder},
		{"the same version with other bytes", seal(payloadOf(5, "privacy: {username: cleartext}"), testKey(1)), refusedOlder},
		{"unknown keys", seal(payloadOf(6, "privacy: {usernmae: drop}"), testKey(1)), refusedInvalid},
		{"more than privacy", seal(payloadOf(6, "gateway: {address: 'a:1'}"), testKey(1)), refusedInvalid},
		{"too large", append(seal(payloadOf(6, drop), testKey(1)), make([]byte, maxBundle)...), refusedSignature},
	} {
		if got := l.Take(tt.data); got.Kept || got.Reason != tt.want || got.Text == "" {
			t.Errorf("Take(%s) = %+v; want refused as %v", tt.name, got, tt.want)
		}
	}
	if got := NewLoader(p, good).Load(); got.Policy.Level(privacy.Username) != privacy.Drop || len(got.Faults) > 0 {
		t.Errorf("after a restart username = %v, faults %v; want drop", got.Policy.Level(privacy.Username), got.Faults)
	}
	put(t, p.PushFile, string(seal(payloadOf(7, "privacy: {username: hashed}"), testKey(2))))
	if got := l.Load(); got.Policy.Level(privacy.Username) != privacy.Hashed || len(got.Faults) > 0 {
		t.Errorf("with a file of the administrator username = %v, faults %v; want hashed", got.Policy.Level(privacy.Username), got.Faults)
	}
	if got := l.Take(seal(payloadOf(8, drop), testKey(1))); got.Kept || got.Reason != refusedInvalid {
		t.Errorf("Take() beside a file of the administrator = %+v; want refused", got)
	}
}

// TestTakeNowhere: without a place to keep it nothing is taken.
func TestTakeNowhere(t *testing.T) {
	p := pushPaths(t, "1")
	if got := NewLoader(p, t.TempDir()).Take(seal(payloadOf(5, "privacy: {username: drop}"), testKey(1))); got.Kept || got.Reason != refusedInvalid {
		t.Errorf("Take() = %+v; want refused", got)
	}
}

// TestTakeIsSeen: who watches the settings hears of what was taken.
func TestTakeIsSeen(t *testing.T) {
	p, good := takingPaths(t)
	l := NewLoader(p, good)
	l.Load()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	seen := false
	time.AfterFunc(100*time.Millisecond, func() { l.Take(seal(payloadOf(5, "privacy: {username: drop}"), testKey(1))) })
	if err := l.Watch(ctx, func() { seen = true; stop() }); err != nil || !seen {
		t.Errorf("Watch() = %v, told %v; want nil, true", err, seen)
	}
	if _, err := os.Stat(p.TakenFile); err != nil {
		t.Errorf("Stat() = %v; want the file", err)
	}
}
