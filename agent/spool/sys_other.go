//go:build !linux && !darwin && !windows

package spool

import (
	"errors"
	"io/fs"
	"os"
)

const private = true

func lockFile(f *os.File) error     { return nil }
func syncHandle(dir *os.File) error { return dir.Sync() }

// diskFree does not know; then only max_bytes bounds the spool.
func diskFree(dir *os.File, path string) (int64, error) { return 0, errors.ErrUnsupported }

func checkOwner(fs.FileInfo) error { return nil }

// patient has nothing to wait for: an open file is in nobody's way here.
func patient(do func() (*os.File, error)) (*os.File, error) { return do() }
