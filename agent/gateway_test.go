package agent

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/configs"
)

// TestGatewayNamedLater: settings that come to a device without a gateway are
// followed without a restart, once; another gateway is not.
func TestGatewayNamedLater(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(file, []byte("state_dir: \""+filepath.ToSlash(dir)+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{Paths: configs.AgentPaths{File: file}, Log: quiet(), Specs: []collectors.Spec{}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	none, stop := context.WithCancel(t.Context())
	stop()
	if a.awaitGateway(none) {
		t.Error("awaitGateway() = true without a gateway; want it to wait")
	}
	a.nameGateway(configs.Uplink{TokenFile: "/t"})
	named := make(chan bool)
	go func() { named <- a.awaitGateway(t.Context()) }()
	first := configs.Uplink{Address: "gw.example:8443", TokenFile: "/t"}
	a.nameGateway(first)
	if !<-named {
		t.Error("awaitGateway() = false; want true once there is one")
	}
	a.nameGateway(configs.Uplink{Address: "other.example:8443"})
	if req := a.enrolRequest(); req.Address != first.Address || req.TokenFile != "/t" {
		t.Errorf("enrolRequest() = %s with %s; want the first gateway that was named", req.Address, req.TokenFile)
	}
	if set := a.boot; !a.needsRestart(configs.Agent{Gateway: configs.Uplink{Address: "other.example:8443"}, Spool: set.Spool, StateDir: set.StateDir, RunDir: set.RunDir}) {
		t.Error("needsRestart() = false for another gateway; want true")
	}
}
