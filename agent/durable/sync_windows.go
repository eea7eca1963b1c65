package durable

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// syncDir does nothing: NTFS writes names through its journal, and Windows does
// not flush a directory that was opened without the right to write to it.
func syncDir(dir string) error { return nil }

// rename tries for a while where another program, mostly a virus scanner, holds
// one of the files.
func rename(from, to string) error {
	const denied, sharing = syscall.Errno(5), syscall.Errno(32)
	var err error
	for range 20 {
		if err = os.Rename(from, to); !errors.Is(err, denied) && !errors.Is(err, sharing) {
			return err
		}
		time.Sleep(25 * time.Millisecond)
	}
	return err
}
