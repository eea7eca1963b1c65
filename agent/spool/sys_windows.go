package spool

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// private is false: access lists keep others out, and the installer sets them.
const private = false

func lockFile(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
}

// syncHandle does nothing: NTFS writes names through its journal.
func syncHandle(dir *os.File) error { return nil }

func diskFree(dir *os.File, path string) (int64, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, err
	}
	return int64(free), nil
}

func checkOwner(fs.FileInfo) error { return nil }

// patient tries for a while where another program, mostly a virus scanner, holds
// the file.
func patient(do func() (*os.File, error)) (*os.File, error) {
	f, err := do()
	for range 20 {
		if !errors.Is(err, windows.ERROR_SHARING_VIOLATION) && !errors.Is(err, windows.ERROR_ACCESS_DENIED) {
			break
		}
		time.Sleep(25 * time.Millisecond)
		f, err = do()
	}
	return f, err
}
