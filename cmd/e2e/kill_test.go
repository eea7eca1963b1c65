//go:build linux

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
)

// kills is how often each program is killed: 50, or DISCREET_KILLS.
func kills(t *testing.T) int {
	text := os.Getenv("DISCREET_KILLS")
	if text == "" {
		return 50
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("DISCREET_KILLS=%q: want a number over 0", text)
	}
	return n
}

// TestKill kills the agent and the gateway again and again under load, and
// erases a person meanwhile. What the agent was told is durable must be in the
// store, nothing may stand there twice, and what was erased may not come back
// by a resend.
func TestKill(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: the load runs under an account of its own, to be erased")
	}
	l := newLab(t, "")
	refuseRemote(t, l.Address)
	if err := l.Write("agent.yaml", l.AgentYAML()+"log: {level: debug}\n"+privacyEach(l.Path("tenant.key"))); err != nil {
		t.Fatal(err)
	}
	gw, ag := startGateway(t, l), startAgent(t, l)
	connected(t, l)
	ctx, stop := context.WithCancel(t.Context())
	var loaders sync.WaitGroup
	for range 4 {
		loaders.Go(func() { load(ctx, 20*time.Millisecond) })
	}
	r := rand.New(rand.NewPCG(1, 2))
	erased := map[string]bool{}
	n := kills(t)
	for i := range 2 * n {
		time.Sleep(time.Duration(100+r.IntN(700)) * time.Millisecond)
		if i%2 == 0 {
			ag.Kill()
			if i%20 == 10 {
				erasePerson(t, l, erased)
			}
			ag = startAgent(t, l)
		} else {
			gw.Kill()
			gw = startGateway(t, l)
		}
	}
	stop()
	loaders.Wait()
	connected(t, l)
	// Asking for the status makes events too: only a stopped agent has none left.
	if err := ag.Stop(30 * time.Second); err != nil || !strings.Contains(tail(l.Path("agent.log")), `"unsent":0}`) {
		t.Fatalf("the agent did not send all that it had: %v\n%s", err, tail(l.Path("agent.log")))
	}
	judge(t, l, erased, n)
}

// settleTime is how long the gateway may take for what a killed agent had sent.
const settleTime = time.Second

// erasePerson deletes the load's account and remembers which records were its. It
// is called between the kill of an agent and its next start: what the agent was
// not told about any more it will send again, after the erasure.
func erasePerson(t *testing.T, l *lab.Lab, erased map[string]bool) {
	t.Helper()
	time.Sleep(settleTime)
	before := events(t, l)
	if _, err := l.Gateway(t.Context(), keyed(l, "subject", "delete", "--user", loadName, "--yes")...); err != nil {
		return // nothing of theirs has arrived yet, or the gateway is being restarted
	}
	after := map[string]bool{}
	for _, s := range events(t, l) {
		after[name(s.Epoch, s.Seq)] = true
	}
	for _, s := range before {
		if !after[name(s.Epoch, s.Seq)] {
			erased[name(s.Epoch, s.Seq)] = true
		}
	}
}

func name(epoch string, seq uint64) string { return epoch + "/" + strconv.FormatUint(seq, 10) }

// judge compares what the agent's log says was acknowledged with the store.
func judge(t *testing.T, l *lab.Lab, erased map[string]bool, n int) {
	t.Helper()
	have := map[string]bool{}
	back := 0
	for _, s := range events(t, l) {
		id := name(s.Epoch, s.Seq)
		if have[id] {
			t.Errorf("record %s stands in the store twice", id)
		}
		have[id] = true
		if erased[id] {
			back++
		}
	}
	acked := ackedRanges(t, l)
	gaps := gapNumbers(t, l)
	lost, total := 0, 0
	for epoch, through := range acked {
		for seq := uint64(1); seq <= through; seq++ {
			total++
			if id := name(epoch, seq); !have[id] && !erased[id] && !gaps[id] {
				lost++
			}
		}
	}
	sum := gatewayTotals(t, l)
	t.Logf("agent kill -9: %d, gateway kill -9: %d, epochs %d, records acknowledged %d, stored %d, erased %d, sent again and skipped %d, gaps %d",
		n, n, len(acked), total, len(have), len(erased), sum.Skipped, len(gaps))
	if lost != 0 || back != 0 || sum.Duplicates != 0 {
		t.Errorf("acknowledged and lost %d, duplicate rows %d, erased and back %d; want 0, 0, 0", lost, sum.Duplicates, back)
	}
	if total < 500 || len(erased) == 0 {
		t.Errorf("only %d records and %d erased: the load was too small to prove anything", total, len(erased))
	}
}

// ackLine is a debug line of the agent: an acknowledgement, or a gap that it
// reported under its own number.
type ackLine struct {
	Msg     string `json:"msg"`
	Epoch   string `json:"epoch"`
	Through uint64 `json:"through"`
	Seq     uint64 `json:"seq"`
}

func ackLines(t *testing.T, l *lab.Lab, msg string, do func(ackLine)) {
	t.Helper()
	f, err := os.Open(l.Path("agent.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var a ackLine
		if json.Unmarshal(lines.Bytes(), &a) == nil && a.Msg == msg {
			do(a)
		}
	}
}

func ackedRanges(t *testing.T, l *lab.Lab) map[string]uint64 {
	acked := map[string]uint64{}
	ackLines(t, l, "acknowledged", func(a ackLine) { acked[a.Epoch] = max(acked[a.Epoch], a.Through) })
	return acked
}

func gapNumbers(t *testing.T, l *lab.Lab) map[string]bool {
	gaps := map[string]bool{}
	ackLines(t, l, "gap reported", func(a ackLine) { gaps[name(a.Epoch, a.Seq)] = true })
	return gaps
}
