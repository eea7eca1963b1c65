//go:build !linux

package main

// harden has nothing to do here yet: see docs/platforms.md.
func harden() {}
