package configs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// lastGood keeps the last good form of each file, so that a fault after a
// restart finds one too. An empty dir keeps nothing.
type lastGood struct{ dir string }

const (
	lastGoodSuffix = ".good.yaml"
	newPrefix      = ".new-"
)

// name returns where the form of file is kept. The path is hashed, so that no
// file can name a place outside the folder.
func (g lastGood) name(file string) string {
	sum := sha256.Sum256([]byte(file))
	return filepath.Join(g.dir, hex.EncodeToString(sum[:12])+lastGoodSuffix)
}

// load returns the form that was kept, or nil.
func (g lastGood) load(file string) []byte {
	if g.dir == "" {
		return nil
	}
	data, mode, err := diskFiles{}.Read(g.name(file))
	if err != nil || writableFault(file, mode) != nil {
		return nil
	}
	return data
}

// save keeps the form of a file. It writes only what differs from what is there.
func (g lastGood) save(file string, data []byte) error {
	if g.dir == "" || bytes.Equal(g.load(file), data) {
		return nil
	}
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return fmt.Errorf("keep last good settings: %w", err)
	}
	if err := g.put(g.name(file), data); err != nil {
		return fmt.Errorf("keep last good settings: %w", err)
	}
	return nil
}

// put replaces a file in the folder, whole or not at all.
func (g lastGood) put(file string, data []byte) error {
	tmp, err := os.CreateTemp(g.dir, newPrefix+"*") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return err
	}
	return syncDir(g.dir)
}

// syncDir makes the names in a folder durable, where the system can do that for a
// folder.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// prune forgets every file that is not among keep: a file that was removed on
// purpose must not come back.
func (g lastGood) prune(keep []string) error {
	if g.dir == "" {
		return nil
	}
	wanted := map[string]bool{}
	for _, file := range keep {
		wanted[filepath.Base(g.name(file))] = true
	}
	entries, err := os.ReadDir(g.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		stale := strings.HasSuffix(e.Name(), lastGoodSuffix) && !wanted[e.Name()]
		if stale || strings.HasPrefix(e.Name(), newPrefix) { // the latter: of a crash
			err = errors.Join(err, os.Remove(filepath.Join(g.dir, e.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("forget removed settings: %w", err)
	}
	return nil
}
