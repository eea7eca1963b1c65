//go:build !unix

package privacy

import "os"

// openKeyFile opens a file to read.
func openKeyFile(path string) (*os.File, error) { return os.Open(path) }

// checkKeyMode takes any mode: Windows guards files by ACLs, which the
// installer sets, and their mode says nothing of them.
func checkKeyMode(string, os.FileMode) error { return nil }

// checkKeyOwner takes any owner, as checkKeyMode does.
func checkKeyOwner(string, os.FileInfo) error { return nil }

// checkPublicMode takes any mode, as checkKeyMode does.
func checkPublicMode(string, os.FileMode) error { return nil }
