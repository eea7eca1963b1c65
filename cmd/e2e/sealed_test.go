//go:build linux

package e2e

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestS27SealedNames: a person is found by clear name with the officer's key
// and in no other way; after the deletion no file of the store holds the
// pseudonym or the sealed record.
func TestS27SealedNames(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: the load runs under another account")
	}
	l := newLab(t, "")
	for _, dir := range []string{"officer", "stranger"} {
		if _, err := l.Gateway(t.Context(), "officer", "init", "--out", l.Path(dir)); err != nil {
			t.Fatal(err)
		}
	}
	set := "privacy: {preset: balanced, processes: each, pseudonym: {mode: sealed, officer_key_file: " + l.Path("officer/officer.pub") + "}}\n"
	if err := l.Write("agent.yaml", l.AgentYAML()+set); err != nil {
		t.Fatal(err)
	}
	startGateway(t, l)
	agent := startAgent(t, l)
	connected(t, l)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); load(ctx, 100*time.Millisecond) }()

	host, _ := os.Hostname()
	find := func(args ...string) []struct{ Name string } {
		var found []struct{ Name string }
		args = append([]string{"subject", "find", "--user", loadName, "--host", host}, args...)
		if err := l.GatewayJSON(t.Context(), &found, args...); err != nil {
			t.Fatal(err)
		}
		return found
	}
	officer := []string{"--officer-key", l.Path("officer/officer.key")}
	until(t, l, 30*time.Second, "the person to be found", func() bool { return len(find(officer...)) == 1 })
	stop()
	<-done
	if err := agent.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	pseudonym := find(officer...)[0].Name
	if n := len(find()); n != 0 {
		t.Errorf("found without a key: %d; want 0", n)
	}
	if n := len(find("--officer-key", l.Path("stranger/officer.key"))); n != 0 {
		t.Errorf("found with another key: %d; want 0", n)
	}
	if holding(t, l.StoreDir(), pseudonym) == 0 {
		t.Fatal("the search does not find the pseudonym before the deletion")
	}
	args := append([]string{"subject", "delete", "--yes", "--user", loadName, "--host", host}, officer...)
	if _, err := l.Gateway(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
	if n := holding(t, l.StoreDir(), pseudonym); n != 0 {
		t.Errorf("the pseudonym stands in %d files after the deletion; want 0", n)
	}
	if n := len(find(officer...)); n != 0 {
		t.Errorf("found after the deletion: %d; want 0", n)
	}
}

// holding counts the files below dir that hold text.
func holding(t *testing.T, dir, text string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
