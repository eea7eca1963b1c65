package main

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kept are the capabilities that the sources of events use (capabilities(7)):
// eBPF, the buffers of netlink, other people's /proc/PID/exe and fd, and frames
// where eBPF is not to be had. Everything else is given up.
const kept = 1<<unix.CAP_BPF | 1<<unix.CAP_PERFMON | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW |
	1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_DAC_READ_SEARCH

// confine gives up what root has and no source needs, for good: neither this
// process nor a program that it could start gets it back. Who is not root keeps
// what the service manager gave, as far as it is needed. It is called once, when
// everything is open.
func confine() error {
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("set no_new_privs: %w", errno)
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&head, &sets[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	if sets[0].Effective&(1<<unix.CAP_SETPCAP) != 0 {
		for c := uintptr(0); c <= 63; c++ {
			if kept&(1<<c) == 0 {
				// Beyond the last one that the kernel knows it says EINVAL.
				if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0, 0, 0, 0); errno != 0 && !errors.Is(errno, unix.EINVAL) {
					return fmt.Errorf("drop capability %d for good: %w", c, errno)
				}
			}
		}
	}
	for i := range sets {
		mask := uint32(uint64(kept) >> (32 * i))
		sets[i].Effective &= mask
		sets[i].Permitted &= mask
		sets[i].Inheritable = 0
	}
	head.Pid = 0
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&sets[0])), 0); errno != 0 {
		return fmt.Errorf("give up capabilities: %w", errno)
	}
	return nil
}
