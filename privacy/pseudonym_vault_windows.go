package privacy

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// secretMemory allocates pages of its own and locks them, as VirtualAlloc and
// VirtualLock describe. A dump that the system writes can still hold them.
func secretMemory(n int) (mem []byte, release func([]byte), loose error) {
	addr, err := windows.VirtualAlloc(0, uintptr(n), windows.MEM_COMMIT|windows.MEM_RESERVE, windows.PAGE_READWRITE)
	if err != nil {
		return make([]byte, n), func([]byte) {}, fmt.Errorf("map memory for keys: %w", err)
	}
	if err := windows.VirtualLock(addr, uintptr(n)); err != nil {
		loose = fmt.Errorf("lock keys in memory: %w", err)
	}
	mem = unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&addr))), n) // not Go's memory: it never moves
	return mem, func([]byte) { _ = windows.VirtualFree(addr, 0, windows.MEM_RELEASE) }, loose
}
