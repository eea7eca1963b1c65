package device

import (
	"testing"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"

	"github.com/discreet-agent/discreet/collectors"
)

// TestS65BootByTheDay looks at the real machine: the time of boot is a day, and
// without leave no serial, name or address is read.
func TestS65BootByTheDay(t *testing.T) {
	c, err := Spec.New(collectors.Env{Stats: new(collectors.Stats), Keeps: func(privacyv1.Class) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	var got *eventv1.Device
	done := make(chan struct{})
	run := make(chan error, 1)
	ctx := t.Context()
	go func() {
		run <- c.Run(ctx, func(ev *eventv1.Event) {
			if got == nil {
				got = ev.GetDevice()
				close(done)
			}
		})
	}()
	select {
	case <-done:
	case err := <-run:
		t.Fatalf("Run = %v", err)
	case <-time.After(10 * time.Second):
		t.Fatal("no event of the device")
	}
	today := uint32(time.Now().Unix() / 86400)
	if d := got.GetBootDay(); d == 0 || d > today {
		t.Errorf("boot day = %d; want a day up to %d", d, today)
	}
	if got.GetSerial() != "" || got.GetName() != "" || len(got.GetAddresses()) > 0 {
		t.Error("serial, name or addresses were read without leave")
	}
}
