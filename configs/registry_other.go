//go:build !windows

package configs

import "io/fs"

// Key says that this system has no registry.
func (diskFiles) Key(string) (regKey, error) { return regKey{}, fs.ErrNotExist }

// newKeyWatch returns nil: there are no keys to watch.
func newKeyWatch([]string) keyWatch { return nil }
