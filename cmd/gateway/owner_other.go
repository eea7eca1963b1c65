//go:build !unix

package main

// ours accepts every folder: files take the rights of their folder here.
func ours(string) error { return nil }
