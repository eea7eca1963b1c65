package main

import "golang.org/x/sys/unix"

// kernelNumbers returns the numbers of the kernel's release; see uname(2).
func kernelNumbers() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return leadingNumbers(unix.ByteSliceToString(u.Release[:]))
}
