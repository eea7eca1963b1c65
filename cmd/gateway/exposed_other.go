//go:build !unix

package main

import "io/fs"

// exposed says nothing here: the mode does not tell who may read a file.
func exposed(fs.FileMode) bool { return false }
