package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/configs"
)

// TestHistoryNamesSigners: the history and the page say who signed a floor and a
// push, and what waits for its notice.
func TestHistoryNamesSigners(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	secret, public, err := configs.SigningKey()
	if err != nil {
		t.Fatal(err)
	}
	id, err := configs.SignerID(public)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(name, kind, payload string) {
		t.Helper()
		data, faults, err := configs.Sign(name, []byte("not_before: 2020-01-01T00:00:00Z\nexpires: 2120-01-01T00:00:00Z\n"+payload), kind, secret)
		if err != nil || len(faults) > 0 {
			t.Fatal(err, faults)
		}
		write(name, data)
	}
	pins := "{key_files: ['" + write("a.pub", public) + "']}"
	file := write("agent.yaml", fmt.Appendf(nil, "state_dir: '%s'\nprivacy: {username: cleartext}\ntrust: {floor: %s, push: %s}\n", dir, pins, pins))
	loader := configs.NewLoader(configs.AgentPathsFor(file), filepath.Join(dir, "good"))
	sign("push.json", "push", "version: 7\nsettings: {privacy: {upn: drop}}\n")
	sign("floor.json", "floor", "version: 1\nnotice: 14d\nsettings: {privacy_floor: {username: hashed}}\n")
	loader.Load()
	sign("floor.json", "floor", "version: 2\nnotice: 14d\nsettings: {privacy_floor: {username: cleartext}}\n")
	l := loader.Load()
	if err := recordChange(l, time.Now()); err != nil {
		t.Fatal(err)
	}
	past, err := readHistory(filepath.Join(dir, historyFile))
	if err != nil || len(past) != 1 {
		t.Fatalf("readHistory() = %d changes, %v; want one", len(past), err)
	}
	want := []string{id}
	c := past[0]
	if c.Floor == nil || !slices.Equal(c.Floor.Signers, want) || c.Floor.Version != 1 || c.Floor.Coming != 2 || len(c.Pending) != 1 {
		t.Errorf("floor = %+v, pending %v; want version 1 by %s, and 2 to come", c.Floor, c.Pending, id)
	}
	if c.Push == nil || !slices.Equal(c.Push.Signers, want) || pushVersion(l) != 7 || pushSigners(l) != id {
		t.Errorf("push = %+v; want version 7 by %s", c.Push, id)
	}
	if p := PageOf(l); len(p.Pending) != 1 || p.Pending[0].After != "cleartext" || !slices.Equal(p.Signers, want) {
		t.Errorf("page: pending %v, signers %v; want one, %s", p.Pending, p.Signers, id)
	}
}
