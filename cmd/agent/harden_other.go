//go:build !linux && !darwin

package main

// harden has nothing to do here yet. Windows keeps crash dumps of programs only
// where an administrator asked for them.
func harden() {}
