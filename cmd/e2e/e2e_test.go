//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
)

// loadUID is the throw-away account under which root runs the load: no account
// of the system, above what distributions give to people.
const loadUID = 48321

// loadName is what the agent calls that account.
const loadName = "uid:48321"

// newLab makes a lab with an authority, a token and a key, and writes the
// agent's settings: base, then extra.
func newLab(t *testing.T, extra string) *lab.Lab {
	t.Helper()
	bin := filepath.Join("..", "..", "bin")
	if _, err := os.Stat(filepath.Join(bin, "discreet-agent")); err != nil {
		t.Fatalf("the programs are missing: run make build first (%v)", err)
	}
	l, err := lab.New(t.TempDir(), bin)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Setup(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	key := []byte{0xe1, 7, 0x9c, 0x44, 0xd0, 0x5b, 0x12, 0x88, 0x3f, 0xa7, 0x61, 0xce, 0x90, 0x2d, 0xb4, 0x75, 0x08, 0xf3, 0x5e, 0xc9, 0x17, 0x6a, 0xed, 0x81, 0x34, 0xbf, 0x59, 0x02, 0xa0, 0x4d, 0x96, 0x7b}
	if err := os.WriteFile(l.Path("tenant.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Write("agent.yaml", l.AgentYAML()+extra); err != nil {
		t.Fatal(err)
	}
	return l
}

// privacyEach is a privacy section under which each process leaves by itself.
func privacyEach(l string) string {
	return "privacy: {preset: balanced, processes: each, pseudonym: {mode: tenant_key, tenant_key_file: " + l + ", key_id: e2e}}\n"
}

// keyed are the flags with which an operator who holds the key names somebody.
func keyed(l *lab.Lab, args ...string) []string {
	host, _ := os.Hostname()
	return append(args, "--key-file", l.Path("tenant.key"), "--key-id", "e2e", "--host", host)
}

func startGateway(t *testing.T, l *lab.Lab) *lab.Proc {
	t.Helper()
	p, err := l.StartGateway(t.Context())
	if err != nil {
		t.Fatalf("start the gateway: %v\n%s", err, tail(l.Path("gateway.log")))
	}
	t.Cleanup(func() { p.Kill() })
	return p
}

func startAgent(t *testing.T, l *lab.Lab, args ...string) *lab.Proc {
	t.Helper()
	p, err := l.StartAgent(args...)
	if err != nil {
		t.Fatalf("start the agent: %v", err)
	}
	t.Cleanup(func() { p.Kill() })
	return p
}

// status is the part of "status --json" that tests look at.
type status struct {
	Gateway struct {
		Connected   bool   `json:"connected"`
		Reason      string `json:"reason"`
		EventsAcked int64  `json:"events_acked"`
	} `json:"gateway"`
	Policy struct {
		Digest     string   `json:"digest"`
		OnlyHealth bool     `json:"only_health"`
		Degraded   bool     `json:"degraded"`
		Faults     []string `json:"faults"`
	} `json:"policy"`
	Spool struct {
		Events int64 `json:"events"`
		Lost   int64 `json:"lost"`
	} `json:"spool"`
	Events     map[string]int64 `json:"events"`
	Waiting    int              `json:"summaries_waiting"`
	Collectors []struct {
		Name, State, Reason, Rung string
	} `json:"collectors"`
}

func agentStatus(t *testing.T, l *lab.Lab) (status, error) {
	t.Helper()
	var st status
	err := l.AgentJSON(t.Context(), &st, "status")
	return st, err
}

// until fails the test where the condition does not come true in time.
func until(t *testing.T, l *lab.Lab, limit time.Duration, what string, done func() bool) {
	t.Helper()
	if err := l.Until(t.Context(), limit, what, done); err != nil {
		t.Fatalf("%v\nagent: %s\ngateway: %s", err, tail(l.Path("agent.log")), tail(l.Path("gateway.log")))
	}
}

func connected(t *testing.T, l *lab.Lab) {
	t.Helper()
	until(t, l, 30*time.Second, "the agent to connect", func() bool {
		st, err := agentStatus(t, l)
		return err == nil && st.Gateway.Connected
	})
}

// tail returns the last lines of a log.
func tail(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// stored is a line of "events tail".
type stored struct {
	Device string          `json:"device"`
	Epoch  string          `json:"epoch"`
	Seq    uint64          `json:"seq"`
	Event  json.RawMessage `json:"event"`
}

func events(t *testing.T, l *lab.Lab) []stored {
	t.Helper()
	out, err := l.Gateway(t.Context(), "events", "tail", "--n", "0")
	if err != nil {
		t.Fatal(err)
	}
	var all []stored
	for line := range strings.Lines(out) {
		var s stored
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("events tail printed %q: %v", line, err)
		}
		all = append(all, s)
	}
	return all
}

// totals is what "events totals" prints.
type totals struct {
	Events     int64            `json:"events"`
	Kinds      map[string]int64 `json:"kinds"`
	Duplicates int64            `json:"duplicates"`
	Skipped    int64            `json:"skipped"`
	Lost       int64            `json:"lost"`
}

func gatewayTotals(t *testing.T, l *lab.Lab) totals {
	t.Helper()
	var n totals
	if err := l.GatewayJSON(t.Context(), &n, "events", "totals"); err != nil {
		t.Fatal(err)
	}
	return n
}

// load runs short real programs, as root under loadUID, until ctx is done.
func load(ctx context.Context, every time.Duration) {
	var cred *syscall.Credential
	if os.Geteuid() == 0 {
		cred = &syscall.Credential{Uid: loadUID, Gid: loadUID}
	}
	for ctx.Err() == nil {
		cmd := exec.Command("/bin/sleep", "0.02")
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		_ = cmd.Run()
		select {
		case <-ctx.Done():
		case <-time.After(every):
		}
	}
}

// refuseRemote fails the test where an address is not of the loopback.
func refuseRemote(t *testing.T, addr string) {
	t.Helper()
	host, _, err := net.SplitHostPort(addr)
	if err != nil || !net.ParseIP(host).IsLoopback() {
		t.Fatalf("%s is not an address of the loopback", addr)
	}
}
