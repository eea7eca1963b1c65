package kernel

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SinceBoot returns the time since the system started, with all that it slept: the
// clock of the records (bpf_ktime_get_boot_ns). It is asked at each read of a ring.
// The raw call, which cannot block, spares the runtime's watching thread a wake-up.
func SinceBoot() time.Duration {
	var ts unix.Timespec
	if _, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return 0 // not since Linux 2.6.39
	}
	return time.Duration(ts.Nano())
}
