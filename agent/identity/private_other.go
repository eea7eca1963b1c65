//go:build !windows

package identity

import (
	"fmt"
	"os"

	"github.com/discreet-agent/discreet/agent/durable"
)

// makePrivate makes dir, for its owner alone.
func makePrivate(dir string) error {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.Chmod(dir, 0o700)
}

// exposed says whether others than the owner can reach an open file.
func exposed(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	return info.Mode().Perm()&0o077 != 0, nil
}

func exposedHint(path string) string { return fmt.Sprintf("chmod 600 %s", path) }
