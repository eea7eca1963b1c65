//go:build !linux

package main

// kernelNumbers has nothing to say here yet.
func kernelNumbers() string { return "" }
