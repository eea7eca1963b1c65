package audit

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock takes the file's lock, or reports false where somebody else has it.
func tryLock(f *os.File) (bool, error) {
	// The lock lies far behind the end: on Windows it would keep readers out.
	at := windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}

// ownerOnly does nothing: the access list of the folder is inherited.
func ownerOnly(string, fs.FileInfo) error { return nil }

func lockFile(ctx context.Context, f *os.File) error { return waitFor(ctx, f, tryLock) }
