//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/discreet-agent/discreet/cmd/lab"
)

// TestS15EnvironmentCannotLoosen sets every spelling of a privacy key in the
// environment: the policy does not move.
func TestS15EnvironmentCannotLoosen(t *testing.T) {
	l := newLab(t, "")
	before, err := l.Agent(t.Context(), "privacy", "show", "--json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"DISCREET_PRIVACY_USERNAME", "DISCREET_USERNAME", "PRIVACY_USERNAME", "PRIVACY.USERNAME", "USERNAME"} {
		t.Setenv(name, "cleartext")
	}
	after, err := l.Agent(t.Context(), "privacy", "show", "--json")
	if err != nil {
		t.Fatal(err)
	}
	if before != after {
		t.Errorf("the environment changed the policy:\n%s\n%s", before, after)
	}
}

// TestS36GatewayKeepsNoPeerAddress lets an agent talk from an address of its own
// and looks for it in everything that the gateway writes.
func TestS36GatewayKeepsNoPeerAddress(t *testing.T) {
	l := newLab(t, "")
	if err := l.Write("agent.yaml", l.AgentYAML()+"log: {level: debug}\nsummary: {flush: 1s}\n"); err != nil {
		t.Fatal(err)
	}
	gw := startGateway(t, l)
	ag := startAgent(t, l)
	connected(t, l)
	ports := localPorts(t, ag.Cmd.Process.Pid)
	if len(ports) == 0 {
		t.Fatal("the agent has no connection: the test proves nothing")
	}
	if err := ag.Stop(testGrace); err != nil {
		t.Fatal(err)
	}
	if err := gw.Stop(testGrace); err != nil {
		t.Fatal(err)
	}
	logs := t.TempDir()
	b, err := os.ReadFile(l.Path("gateway.log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(logs, "log"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, port := range ports {
		hits, err := lab.Scan([]string{fmt.Sprintf("127.0.0.1:%d", port)}, l.Path("gateway"), logs)
		if err != nil || len(hits) > 0 {
			t.Errorf("the agent's address is in %v, %v; want nowhere", hits, err)
		}
	}
}

// TestS46NoSecretOnTheCommandLine looks for flags that would take a secret.
func TestS46NoSecretOnTheCommandLine(t *testing.T) {
	l := newLab(t, "")
	for _, program := range []string{"discreet-agent", "discreet-gateway"} {
		for _, args := range [][]string{{"--help"}, {"enroll", "--help"}, {"run", "--help"}, {"subject", "find", "--help"}, {"token", "create", "--help"}} {
			out, _ := exec.Command(filepath.Join(l.Bin, program), args...).CombinedOutput()
			for _, flag := range []string{"--token ", "--key ", "--secret ", "--password "} {
				if strings.Contains(string(out), flag) {
					t.Errorf("%s %v has the flag %s", program, args, flag)
				}
			}
		}
	}
}

// TestS60AgentListensOnNoPort reads which sockets of a running agent listen.
func TestS60AgentListensOnNoPort(t *testing.T) {
	l := newLab(t, "")
	startGateway(t, l)
	ag := startAgent(t, l)
	connected(t, l)
	for _, s := range sockets(t, ag.Cmd.Process.Pid) {
		if s.state == tcpListen {
			t.Errorf("the agent listens on port %d", s.port)
		}
	}
}
