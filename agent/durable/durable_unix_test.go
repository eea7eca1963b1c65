//go:build !windows

package durable

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func checkMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	if info, err := os.Stat(path); err != nil || info.Mode() != want {
		t.Errorf("mode = %v, %v; want %v", info.Mode(), err, want)
	}
}

func TestSyncDirMissing(t *testing.T) {
	if err := SyncDir(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("SyncDir(missing) = nil; want an error")
	}
}
