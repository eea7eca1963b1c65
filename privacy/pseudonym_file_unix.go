//go:build unix

package privacy

import (
	"fmt"
	"os"
	"syscall"
)

// openKeyFile opens a file to read. It does not wait for the writer of a pipe.
func openKeyFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
}

// checkKeyMode refuses a key that more than its owner can read or change.
func checkKeyMode(path string, mode os.FileMode) error {
	if mode.Perm()&0o077 != 0 {
		return fmt.Errorf("key file %s is open to group or others (mode %04o)\nhint: chmod 0600 %s", path, mode.Perm(), path)
	}
	return nil
}

// checkPublicMode refuses a public key that more than its owner can change.
func checkPublicMode(path string, mode os.FileMode) error {
	if mode.Perm()&0o022 != 0 {
		return fmt.Errorf("officer key file %s can be changed by group or others (mode %04o)\nhint: chmod 0644 %s", path, mode.Perm(), path)
	}
	return nil
}
