//go:build !nobehaviour

package main

import "runtime"

// init keeps the first thread for the first goroutine: the helper in a session
// needs it, and only here it can be had for sure.
func init() { runtime.LockOSThread() }
