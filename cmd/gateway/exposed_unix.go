//go:build unix

package main

import "io/fs"

// exposed reports whether others than a file's owner may use it.
func exposed(mode fs.FileMode) bool { return mode.Perm()&0o077 != 0 }
