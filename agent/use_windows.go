package agent

import (
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// memoryCounters is PROCESS_MEMORY_COUNTERS of psapi.h.
type memoryCounters struct {
	size, faults                                                               uint32
	peakWorking, working, peakPaged, paged, peakNonPaged, nonPaged, file, peak uintptr
}

// ownUse returns the CPU time and the working set of this process.
func ownUse() (cpu time.Duration, rss uint64) {
	self := windows.CurrentProcess()
	var created, exited, kernel, user windows.Filetime
	if windows.GetProcessTimes(self, &created, &exited, &kernel, &user) == nil {
		ticks := uint64(kernel.HighDateTime)<<32 + uint64(kernel.LowDateTime) + uint64(user.HighDateTime)<<32 + uint64(user.LowDateTime)
		cpu = time.Duration(ticks * 100)
	}
	m := memoryCounters{}
	m.size = uint32(unsafe.Sizeof(m))
	call := windows.NewLazySystemDLL("kernel32.dll").NewProc("K32GetProcessMemoryInfo")
	if ok, _, _ := call.Call(uintptr(self), uintptr(unsafe.Pointer(&m)), uintptr(m.size)); ok != 0 {
		rss = uint64(m.working)
	}
	return cpu, rss
}
