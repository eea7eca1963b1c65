package kernel

import "golang.org/x/sys/unix"

// capable reports whether this process may load eBPF programs at all. Where it
// may not, some errors of the loader speak of features that the kernel lacks.
func capable() bool {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if unix.Capget(&head, &sets[0]) != nil {
		return true // the kernel decides
	}
	have := uint64(sets[0].Effective) | uint64(sets[1].Effective)<<32
	return have&(1<<unix.CAP_BPF|1<<unix.CAP_SYS_ADMIN) != 0
}
