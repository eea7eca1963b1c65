//go:build unix

package privacy

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// openKeyFile opens a file to read. It follows no link in the last place of the
// path, and does not wait for the writer of a pipe.
func openKeyFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%w\nhint: name the key file itself, not a link to it", err)
	}
	return f, err
}

// checkKeyMode refuses a key that more than its owner can read or change.
func checkKeyMode(path string, mode os.FileMode) error {
	if mode.Perm()&0o077 != 0 {
		return fmt.Errorf("key file %s is open to group or others (mode %04o)\nhint: chmod 0600 %s", path, mode.Perm(), path)
	}
	return nil
}

// checkKeyOwner refuses a key of another account: its owner can read and change
// it. Root's is taken by all.
func checkKeyOwner(path string, info os.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("key file %s belongs to another account\nhint: chown it to the account that runs this program", path)
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
