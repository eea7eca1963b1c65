//go:build !linux

package main

import "runtime/debug"

// shed gives back what only the start needed.
func shed() { debug.FreeOSMemory() }
