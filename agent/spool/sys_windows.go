package spool

import (
	"io/fs"
	"os"

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
