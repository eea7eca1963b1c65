//go:build linux

package e2e

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestExcludedProgram runs two programs, one of them excluded: nothing that the
// gateway stores names it, and the other is there. Counted programs connect and
// leave no other end.
func TestExcludedProgram(t *testing.T) {
	l := newLab(t, "summary: {flush: 1s}\nprivacy:\n  processes: each\n  exclude_programs: [SLEEP.exe]\n  count_only_programs: [discreet-agent, discreet-gateway]\n")
	startGateway(t, l)
	ag := startAgent(t, l)
	connected(t, l)
	ctx, stop := context.WithCancel(t.Context())
	loaded := make(chan struct{})
	go func() { defer close(loaded); load(ctx, 10*time.Millisecond) }()
	until(t, l, 30*time.Second, "the other program and a connection", func() bool {
		_ = exec.Command("/bin/uname").Run()
		// A counted program's connection that ends is told at once, one that stays
		// once a minute.
		_, _ = l.Agent(t.Context(), "doctor")
		kinds := gatewayTotals(t, l).Kinds
		return kinds["process_start"] > 20 && kinds["connection_summary"] > 0
	})
	stop()
	<-loaded
	if err := ag.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	other, counted := 0, 0
	for _, s := range events(t, l) {
		text := string(s.Event)
		if strings.Contains(text, `"sleep"`) || strings.Contains(text, "/sleep") {
			t.Errorf("an event names the excluded program: %s", text)
		}
		if strings.Contains(text, `"uname"`) {
			other++
		}
		if strings.Contains(text, "connection_summary") && strings.Contains(text, `"discreet-`) {
			counted++
			if strings.Contains(text, "127.0.0.1") || strings.Contains(text, `"port"`) || strings.Contains(text, `"direction"`) {
				t.Errorf("a counted connection is described: %s", text)
			}
		}
	}
	if other == 0 || counted == 0 {
		t.Errorf("%d events of the other program, %d counted connections; want some of both", other, counted)
	}
}
