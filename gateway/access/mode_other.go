//go:build !windows

package access

import "io/fs"

// exposed says whether others than the owner can reach a file.
func exposed(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }
