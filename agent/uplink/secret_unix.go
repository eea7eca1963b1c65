//go:build !windows

package uplink

import "io/fs"

// openToOthers reports whether any account may read or change the file.
func openToOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o007 != 0 }
