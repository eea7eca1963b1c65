//go:build !unix

package configs

import "io/fs"

// writableFault accepts every file: the mode says nothing about who can write
// here. The installer gives the folder an access list, and doctor checks it.
func writableFault(string, fs.FileMode) *Fault { return nil }
