//go:build unix

package view

import "os"

// Self returns the account that runs this process.
func Self() Caller { return Caller{UID: uint32(os.Getuid()), Known: true} }
