package main

import "golang.org/x/sys/unix"

// harden keeps what the agent has in memory out of core files and away from
// other processes of its user. See prctl(2), PR_SET_DUMPABLE, and getrlimit(2).
func harden() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// prepare has nothing to do here.
func prepare() {}
