//go:build linux || darwin

package spool

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// private says that modes keep others out here.
const private = true

func lockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

func syncHandle(dir *os.File) error { return dir.Sync() }

// diskFree asks the open directory, not its path, which may be another by now.
func diskFree(dir *os.File, path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// checkOwner refuses a directory of another account, who could change its files.
func checkOwner(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to uid %d, the agent runs as uid %d", st.Uid, os.Geteuid())
	}
	return nil
}

// patient has nothing to wait for: an open file is in nobody's way here.
func patient(do func() (*os.File, error)) (*os.File, error) { return do() }
