//go:build !linux && !darwin && !windows

package main

// prepare has nothing to do here.
func prepare() {}

// harden has nothing to do here.
func harden() {}
