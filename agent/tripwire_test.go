package agent

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// TestS52TripwireReports: an event that trips is counted apart from what the
// policy drops, reported as lost, and its value stands in no log.
func TestS52TripwireReports(t *testing.T) {
	var log bytes.Buffer
	k := &kept{t: t}
	p := newPipeline(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), k, time.Now)
	policy, _ := privacy.Preset("balanced")
	ctx := privacy.Context{OS: privacy.Linux, Host: "h", Identities: []string{"zz-canary-7f3a"}, Location: time.UTC}
	p.use(privacy.NewFilter(policy, ctx, nil), time.Minute)
	device := func(kernel string) *eventv1.Event {
		return &eventv1.Event{TimeUnixMs: 1, Kind: &eventv1.Event_Device{Device: &eventv1.Device{Kernel: kernel}}}
	}
	for range 3 {
		if p.emit(device("6.1-zz-canary-7f3a")) {
			t.Error("emit let an event with a hidden name through; want it dropped")
		}
	}
	p.use(privacy.NewFilter(policy, ctx, nil), time.Minute) // its count begins anew, ours does not
	p.emit(device("6.1-ZZ-CANARY-7F3A"))
	if !p.emit(device("6.1")) {
		t.Error("emit dropped an event without a name; want it to leave")
	}
	n := p.counts()
	if n.Tripped != 4 || n.Dropped != 0 {
		t.Errorf("counts = %d tripped, %d dropped; want 4, 0", n.Tripped, n.Dropped)
	}
	if got := k.lost[eventv1.LossReason_LOSS_REASON_TRIPWIRE]; got != 4 {
		t.Errorf("losses reported = %d; want 4", got)
	}
	if len(k.events) != 1 {
		t.Errorf("%d events reached the spool; want 1", len(k.events))
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 {
		t.Errorf("%d lines of log; want 1", lines)
	}
	if strings.Contains(strings.ToLower(log.String()), "canary") {
		t.Error("the log holds the value")
	}
}
