package privacy

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// secretMemory maps memory of its own, locks it and takes it out of core files
// and of children, as mlock(2) and madvise(2) describe.
func secretMemory(n int) (mem []byte, release func([]byte), loose error) {
	mem, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return make([]byte, n), func([]byte) {}, fmt.Errorf("map memory for keys: %w", err)
	}
	for _, advice := range []int{unix.MADV_DONTDUMP, unix.MADV_DONTFORK} {
		if err := unix.Madvise(mem, advice); err != nil {
			loose = fmt.Errorf("keep keys out of core files: %w", err)
		}
	}
	if err := unix.Mlock(mem); err != nil {
		loose = fmt.Errorf("lock keys in memory: %w", err)
	}
	return mem, func(mem []byte) { _ = unix.Munmap(mem) }, loose
}
