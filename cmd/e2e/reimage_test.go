//go:build linux

package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
)

// listed is the part of "device list --json" that tests look at.
type listed struct {
	Device       string   `json:"device"`
	AssetID      string   `json:"asset_id"`
	Tags         []string `json:"tags"`
	System       string   `json:"system"`
	Revoked      bool     `json:"revoked"`
	SupersededBy string   `json:"superseded_by"`
	Health       struct {
		State string `json:"state"`
	} `json:"health"`
	Reasons []string `json:"reasons"`
}

func deviceList(t *testing.T, l *lab.Lab, flags ...string) map[string]listed {
	t.Helper()
	var list []listed
	if err := l.GatewayJSON(t.Context(), &list, append([]string{"device", "list"}, flags...)...); err != nil {
		t.Fatal(err)
	}
	all := map[string]listed{}
	for _, d := range list {
		all[d.Device] = d
	}
	return all
}

// newToken lays a token for one device where the agent looks for it.
func newToken(t *testing.T, l *lab.Lab) {
	t.Helper()
	if _, err := l.Gateway(t.Context(), "token", "create", "--group", "lab", "--out", l.Path("token")); err != nil {
		t.Fatal(err)
	}
}

// described waits until the gateway knows a device that is not one of known, with its
// asset id, system and health.
func described(t *testing.T, l *lab.Lab, known ...string) string {
	t.Helper()
	var id string
	until(t, l, 60*time.Second, "the account of a new device", func() bool {
		for dev, d := range deviceList(t, l) {
			if !slices.Contains(known, dev) && d.AssetID != "" && d.System == "linux" && d.Health.State != "none" {
				id = dev
				return true
			}
		}
		return false
	})
	return id
}

// TestReimagedLaptop enrols a laptop, wipes it, enrols it again, and then lets
// another laptop claim its asset id without a token.
func TestReimagedLaptop(t *testing.T) {
	l := newLab(t, "device: {asset_id: A-77231, tags: [pilot, bonn]}\n")
	startGateway(t, l)
	ag := startAgent(t, l)
	old := described(t, l)
	if d := deviceList(t, l, "--tag", "pilot", "--tag", "bonn")[old]; !slices.Equal(d.Tags, []string{"pilot", "bonn"}) {
		t.Errorf("device list --tag pilot --tag bonn gives %v; want the laptop", d)
	}
	if err := ag.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	// The gateway sees the end of the stream a moment later.
	time.Sleep(time.Second)
	if err := os.RemoveAll(l.Path("agent")); err != nil {
		t.Fatal(err)
	}
	newToken(t, l)
	ag = startAgent(t, l)
	again := described(t, l, old)
	all := deviceList(t, l)
	if !all[old].Revoked || all[old].SupersededBy != again || !slices.Contains(all[old].Reasons, "superseded") || all[again].Revoked {
		t.Errorf("device list gives %+v and %+v; want the first superseded by the second", all[old], all[again])
	}
	if out, err := l.Gateway(t.Context(), "audit", "show"); err != nil || !strings.Contains(out, "device.supersede") {
		t.Errorf("audit show = %v; want a line of the record that was superseded", err)
	}
	for _, dev := range []string{old, again} {
		var found []struct {
			Device string `json:"device"`
			Events int64  `json:"events"`
		}
		if err := l.GatewayJSON(t.Context(), &found, "subject", "find", "--device", dev); err != nil {
			t.Fatal(err)
		}
		if len(found) != 2 || found[0].Events == 0 || found[1].Events == 0 {
			t.Errorf("subject find --device gives %+v; want both records with their events", found)
		}
	}
	if err := ag.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	// Another laptop enrols under its own asset id and then claims this one: its
	// certificate is no token.
	claim(t, l, again, old)
}

func claim(t *testing.T, l *lab.Lab, victim string, known ...string) {
	t.Helper()
	settings := func(asset string) string {
		return l.AgentYAML() + "device: {asset_id: " + asset + "}\n"
	}
	if err := os.RemoveAll(l.Path("agent")); err != nil {
		t.Fatal(err)
	}
	if err := l.Write("agent.yaml", settings("B-1")); err != nil {
		t.Fatal(err)
	}
	newToken(t, l)
	startAgent(t, l)
	liar := described(t, l, append(known, victim)...)
	if err := l.Write("agent.yaml", settings("A-77231")); err != nil {
		t.Fatal(err)
	}
	until(t, l, 60*time.Second, "the claim", func() bool { return deviceList(t, l)[liar].AssetID == "A-77231" })
	all := deviceList(t, l)
	if all[victim].Revoked || all[victim].SupersededBy != "" {
		t.Errorf("a claim without a token: %+v; want the record left alone", all[victim])
	}
	if both := deviceList(t, l, "--reason", "asset_id_twice"); len(both) != 2 || both[victim].Device == "" || both[liar].Device == "" {
		t.Errorf("device list --reason asset_id_twice gives %v; want both", both)
	}
}
