//go:build !windows

package identity

import (
	"fmt"
	"os"
)

// makePrivate makes dir, for its owner alone.
func makePrivate(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
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

// syncDir makes renames in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
