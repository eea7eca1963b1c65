//go:build unix

package main

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// TestRootLeavesOthersFoldersAlone: root's commands in the folder of the service's
// account are refused before they make a file, and say how it is done.
func TestRootLeavesOthersFoldersAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files that the service cannot read")
	}
	dir := t.TempDir()
	if err := ours(dir); err != nil {
		t.Errorf("ours(root's folder) = %v; want nil", err)
	}
	if err := ours(dir + "/none"); err != nil {
		t.Errorf("ours(no folder) = %v; want nil", err)
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	var e *exitError
	if err := ours(dir); !errors.As(err, &e) || e.code != exitPermission || !strings.Contains(err.Error(), "hint: sudo -u") {
		t.Errorf("ours(folder of 65534) = %v; want a refusal with a way out", err)
	}
}
