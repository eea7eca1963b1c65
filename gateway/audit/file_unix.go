//go:build unix

package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// tryLock takes the file's lock, or reports false where somebody else has it.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// ownerOnly refuses a file that anybody but its owner may use.
func ownerOnly(path string, info fs.FileInfo) error {
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return fmt.Errorf("%s: its mode is %04o; hint: chmod 600 it", path, perm)
	}
	return nil
}

func lockFile(ctx context.Context, f *os.File) error { return waitFor(ctx, f, tryLock) }
