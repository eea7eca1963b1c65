//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
)

// TestS11TighteningReachesTheSpool fills the spool while the gateway is away,
// with paths that leave; then a key drops them. The files of the spool must not
// hold the value any more, nor may the store when the gateway is back, whether
// the agent ran all the time or the settings changed while it was stopped. All
// else arrives, once.
func TestS11TighteningReachesTheSpool(t *testing.T) {
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprintf("running %v", running), func(t *testing.T) { tightenSpool(t, running) })
	}
}

func tightenSpool(t *testing.T, running bool) {
	const value = "/bin/sleep"
	l := newLab(t, "")
	with := func(path string) string {
		return l.AgentYAML() + "summary: {flush: 1s}\nprivacy: {processes: each, program_path: " + path + "}\n"
	}
	if err := l.Write("agent.yaml", with("cleartext")); err != nil {
		t.Fatal(err)
	}
	gw := startGateway(t, l)
	ag := startAgent(t, l)
	connected(t, l)
	gw.Kill()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	load(ctx, 10*time.Millisecond)
	stop()
	before := gatewayStored(t, l, value)
	until(t, l, 20*time.Second, "events in the spool", func() bool {
		hits, err := lab.Scan([]string{value}, l.Path("agent/spool"))
		return err == nil && len(hits) > 0
	})
	if !running {
		if err := ag.Stop(20 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Write("agent.yaml", with("drop")); err != nil {
		t.Fatal(err)
	}
	if !running {
		startAgent(t, l)
	}
	until(t, l, 20*time.Second, "the stricter policy in the spool", func() bool {
		return strings.Contains(tail(l.Path("agent.log")), "applied to the spool")
	})
	hits, err := lab.Scan([]string{value}, l.Path("agent/spool"))
	if err != nil || len(hits) > 0 {
		t.Errorf("the value lies in %v, %v; want no file of the spool", hits, err)
	}
	startGateway(t, l)
	until(t, l, 60*time.Second, "the spool to be sent", func() bool {
		st, err := agentStatus(t, l)
		return err == nil && st.Gateway.Connected && st.Spool.Events < 20
	})
	if after := gatewayStored(t, l, value); after != before {
		t.Errorf("%d stored events hold the value; want %d, as before the change", after, before)
	}
	judgeTightened(t, l)
}

// gatewayStored counts the stored events that hold a value.
func gatewayStored(t *testing.T, l *lab.Lab, value string) (n int) {
	t.Helper()
	for _, s := range events(t, l) {
		if strings.Contains(string(s.Event), value) {
			n++
		}
	}
	return n
}

// judgeTightened verifies that what was kept arrived, and once.
func judgeTightened(t *testing.T, l *lab.Lab) {
	t.Helper()
	seen, starts := map[string]bool{}, 0
	for _, s := range events(t, l) {
		name := fmt.Sprint(s.Epoch, s.Seq)
		if seen[name] {
			t.Errorf("record %s is there twice", name)
		}
		seen[name] = true
		var ev struct {
			Start *struct {
				Program struct{ Name, Path string }
			} `json:"process_start"`
		}
		if err := json.Unmarshal(s.Event, &ev); err != nil {
			t.Fatal(err)
		}
		if ev.Start != nil && ev.Start.Program.Name == "sleep" && ev.Start.Program.Path == "" {
			starts++
		}
	}
	n := gatewayTotals(t, l)
	t.Logf("%d events stored, %d of them starts of the load without their path; %d sent again, %d lost", n.Events, starts, n.Skipped, n.Lost)
	if starts < 20 || n.Duplicates > 0 {
		t.Errorf("%d starts of the load arrived, %d events are there twice; want 20 at least and 0", starts, n.Duplicates)
	}
	if log := tail(l.Path("gateway.log")); strings.Contains(log, "FORBIDDEN") {
		t.Errorf("the gateway refused a batch: %s", log)
	}
}
