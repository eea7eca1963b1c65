package configs

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// lateNotifier makes a folder just before it watches the one above it.
type lateNotifier struct {
	*fakeNotifier
	make func()
}

func (n lateNotifier) Add(string) error {
	n.make()
	return nil
}

// TestFolderThatComesMeanwhile: a folder that is made between the look for it and
// the watch of the one above is watched too; else nobody tells of its file.
func TestFolderThatComesMeanwhile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "discreet")
	w := newWatcher(AgentPaths{File: filepath.Join(dir, "agent.yaml")}, func() {})
	w.open = func() (notifier, error) {
		return lateNotifier{newFakeNotifier(), func() { _ = os.MkdirAll(dir, 0o755) }}, nil
	}
	w.rewatch()
	if !slices.Contains(w.watched, dir) {
		t.Errorf("watches %d folders without the one that came; want it", len(w.watched))
	}
}
