package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/discreet-agent/discreet/agent/durable"
)

// osFS is the file system of the machine.
type osFS struct{}

func (osFS) Mkdir(dir string) error   { return os.Mkdir(dir, 0o700) }
func (osFS) SyncDir(dir string) error { return durable.SyncDir(dir) }

func (osFS) OpenDir(dir string) (Dir, error) {
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory; hint: a link is not followed, name its target", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	d := &osDir{root: root, path: dir}
	if err := d.claim(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// osDir reaches its files through an os.Root, so that a link planted in the
// directory cannot lead out of it.
type osDir struct {
	root   *os.Root
	path   string
	handle *os.File // the directory itself
	lock   *os.File
}

// claim checks the directory and locks it.
func (d *osDir) claim() (err error) {
	if d.handle, err = d.root.Open("."); err != nil {
		return err
	}
	info, err := d.handle.Stat()
	if err != nil {
		return err
	}
	if err := checkOwner(info); err != nil {
		return fmt.Errorf("%w; hint: chown it to the account that runs the agent, or remove it", err)
	}
	if private && info.Mode().Perm()&0o077 != 0 {
		if err := d.root.Chmod(".", 0o700); err != nil {
			return fmt.Errorf("others may enter it (mode %#o): %w; hint: chmod 0700", info.Mode().Perm(), err)
		}
	}
	if d.lock, err = d.regular(lockName, os.O_RDWR|os.O_CREATE); err != nil {
		return err
	}
	if err := lockFile(d.lock); err != nil {
		return fmt.Errorf("%w (%w); hint: is another agent running?", ErrLocked, err)
	}
	return nil
}

// regular opens a file after it has made sure that it is one: opening a pipe
// would wait for ever.
func (d *osDir) regular(name string, flag int) (*os.File, error) {
	info, err := d.root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return d.root.OpenFile(name, flag, 0o600)
}

var errNotRegular = errors.New("not a regular file")

func (d *osDir) List() ([]FileInfo, error) {
	// A handle can list its directory only once, so this takes another.
	f, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var list []FileInfo
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, FileInfo{e.Name(), info.Size(), info.ModTime(), !info.Mode().IsRegular()})
	}
	return list, nil
}

func (d *osDir) Open(name string) (File, error) {
	f, err := patient(func() (*os.File, error) { return d.regular(name, os.O_RDWR) })
	if err != nil {
		return nil, err // not f: a nil *os.File is no nil File
	}
	return f, nil
}

func (d *osDir) Create(name string) (File, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *osDir) Rename(from, to string) error {
	_, err := patient(func() (*os.File, error) { return nil, d.root.Rename(from, to) })
	return err
}

func (d *osDir) Remove(name string) error { return d.root.Remove(name) } // the spool tries again
func (d *osDir) Sync() error              { return syncHandle(d.handle) }
func (d *osDir) Free() (int64, error)     { return diskFree(d.handle, d.path) }

func (d *osDir) Close() error {
	var errs []error
	for _, f := range []*os.File{d.lock, d.handle} { // closing gives the lock back
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(append(errs, d.root.Close())...)
}
