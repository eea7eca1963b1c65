package session

import (
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// unbiased counts what passed since the start, without sleep: the clock that Go has
// here counts sleep too.
var unbiased = windows.NewLazySystemDLL("kernel32.dll").NewProc("QueryUnbiasedInterruptTime")

// awake returns a time that stands still while the device sleeps. Only differences
// of it mean something.
func awake() time.Time {
	var ticks uint64 // of 100 ns
	_, _, _ = unbiased.Call(uintptr(unsafe.Pointer(&ticks)))
	return time.Unix(0, int64(ticks)*100)
}
