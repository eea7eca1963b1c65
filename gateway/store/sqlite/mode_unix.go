//go:build unix

package sqlite

import (
	"fmt"
	"io/fs"
)

// ownerOnly refuses a folder that anybody but its owner may use.
func ownerOnly(dir string, info fs.FileInfo) error {
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return fmt.Errorf("open store %s: its mode is %04o; hint: chmod 700 it", dir, perm)
	}
	return nil
}
