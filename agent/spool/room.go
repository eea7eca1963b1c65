package spool

import (
	"fmt"
	"os"
)

// DiskFree returns how many bytes an account without privilege may still write where
// dir lies.
func DiskFree(dir string) (int64, error) {
	f, err := os.Open(dir)
	if err != nil {
		return 0, fmt.Errorf("look at the disk: %w", err)
	}
	defer f.Close()
	free, err := diskFree(f, dir)
	if err != nil {
		return 0, fmt.Errorf("look at the disk: %w", err)
	}
	return free, nil
}
