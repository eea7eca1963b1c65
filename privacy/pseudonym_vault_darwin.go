package privacy

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// secretMemory maps memory of its own and locks it, as mlock(2) describes. There
// is no way to leave it out of a core file; the agent writes none.
func secretMemory(n int) (mem []byte, release func([]byte), loose error) {
	mem, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return make([]byte, n), func([]byte) {}, fmt.Errorf("map memory for keys: %w", err)
	}
	if err := unix.Mlock(mem); err != nil {
		loose = fmt.Errorf("lock keys in memory: %w", err)
	}
	return mem, func(mem []byte) { _ = unix.Munmap(mem) }, loose
}
