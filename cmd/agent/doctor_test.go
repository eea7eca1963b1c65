package main

import (
	"testing"
	"time"

	"github.com/discreet-agent/discreet/agent"
)

func TestClockCheck(t *testing.T) {
	for _, c := range []struct {
		skew  time.Duration
		state string
		text  string
	}{
		{0, "ok", "it agrees with the gateway's"},
		{5 * time.Minute, "ok", "it agrees with the gateway's"},
		{-5 * time.Minute, "ok", "it agrees with the gateway's"},
		{6 * time.Minute, "fault", "this device's clock is 6 minutes behind the gateway's"},
		{-time.Hour, "fault", "this device's clock is 1 hour ahead of the gateway's"},
		{24*time.Hour - time.Second, "fault", "this device's clock is 1 day behind the gateway's"},
		{-50 * time.Hour, "fault", "this device's clock is 2 days ahead of the gateway's"},
	} {
		got := clockCheck(c.skew)
		if got.State != c.state || got.Text != c.text || (got.Hint == "") != (c.state == "ok") || (got.code == exitOK) != (c.state == "ok") {
			t.Errorf("clockCheck(%v) = %+v; want %s: %s", c.skew, got, c.state, c.text)
		}
	}
}

func TestSplitHint(t *testing.T) {
	for in, want := range map[string][2]string{
		"plain":                                {"plain", ""},
		"token refused (hint: make a new one)": {"token refused", "make a new one"},
		"denied; hint: it needs root":          {"denied", "it needs root"},
	} {
		if text, hint := splitHint(in); text != want[0] || hint != want[1] {
			t.Errorf("splitHint(%q) = %q, %q; want %q", in, text, hint, want)
		}
	}
}

func TestRunningChecks(t *testing.T) {
	if got := runningChecks(nil); len(got) != 1 || got[0].State != "warning" || got[0].code != exitOK {
		t.Errorf("runningChecks(nil) = %+v; want a warning", got)
	}
	st := &agent.Status{Collectors: []agent.CollectorState{
		{Name: "a", State: "running"}, {Name: "b", State: "running", Reason: "no kernel types; hint: root"}, {Name: "c", State: "denied", Reason: "no"},
		{Name: "d", State: "failed", Reason: "no"}, {Name: "e", State: "unsupported", Reason: "not here"}, {Name: "f", State: "off_by_policy"},
	}}
	got := runningChecks(st)
	want := []struct {
		state string
		code  int
	}{{"ok", 0}, {"warning", 0}, {"fault", exitPermission}, {"fault", exitFailure}}
	if len(got) != len(want) {
		t.Fatalf("runningChecks() = %+v; want %d checks", got, len(want))
	}
	for i, w := range want {
		if got[i].State != w.state || got[i].code != w.code {
			t.Errorf("runningChecks()[%d] = %+v; want %s with exit code %d", i, got[i], w.state, w.code)
		}
	}
}
