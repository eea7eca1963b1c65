// Package durable writes files that survive a crash. It is a leaf: it knows no
// other package of ours, and leaves to its callers what stands in the files.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile replaces path with a file that holds data. After a crash at any
// moment path is the old file or the new one, whole; once WriteFile has returned
// it is the new one. The bytes go through a temporary file beside path, which is
// removed on an error. A symbolic link at path is replaced, not followed.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+base+".*.tmp")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := fill(f, data, perm); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	if err := rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	// A rename is in the directory, and the directory has a cache of its own.
	return SyncDir(dir)
}

// fill writes data to f, makes it durable and closes f, also on an error: an
// open file cannot be removed everywhere.
func fill(f *os.File, data []byte, perm fs.FileMode) error {
	// The mode comes first, so that the bytes are never there under another one.
	err := f.Chmod(perm)
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// SyncDir makes the names in dir durable: what was created, renamed or removed
// there stays so after a crash. Where a system cannot do that for a directory it
// does nothing.
func SyncDir(dir string) error {
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// MkdirAll makes dir and the directories above it that are missing, and makes
// each new name durable. The name of dir itself is made durable also where dir
// was there: whoever made it may have crashed before.
func MkdirAll(dir string, perm fs.FileMode) error {
	dir = filepath.Clean(dir)
	parent := filepath.Dir(dir)
	if parent == dir {
		return nil
	}
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("make directory %s: %w", dir, &fs.PathError{Op: "mkdir", Path: dir, Err: errNotDir})
	case err == nil:
		if err := SyncDir(parent); !errors.Is(err, fs.ErrPermission) {
			return err
		}
		return nil // who may not look into the parent did not make dir
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("make directory %s: %w", dir, err)
	}
	if _, err := os.Stat(parent); err != nil {
		if err := MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make directory %s: %w", dir, err)
	}
	return SyncDir(parent)
}

var errNotDir = errors.New("not a directory")
