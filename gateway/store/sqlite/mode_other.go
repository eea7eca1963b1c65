//go:build !unix

package sqlite

import "io/fs"

// ownerOnly does nothing: on Windows the access list of the folder above is
// inherited, and its installer sets it.
func ownerOnly(string, fs.FileInfo) error { return nil }
