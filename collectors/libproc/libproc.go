// Package libproc reads what the kernel of macOS tells of processes and sockets:
// its lists as bytes, decoded on any system, and the paths of programs. What to
// make of it is the collectors' work. It never reads arguments or environments.
package libproc

import (
	"bytes"
	"encoding/binary"
	"time"
)

// The layout of struct kinfo_proc of 64-bit systems, sys/sysctl.h. The build for
// macOS compares it with golang.org/x/sys.
const (
	kinfoSize   = 648
	startSecAt  = 0
	startUsecAt = 8
	statAt      = 36
	pidAt       = 40
	commAt      = 243
	commSize    = 17
	uidAt       = 420 // the effective one
	parentAt    = 560

	statZombie = 5
)

// Process is one line of the list.
type Process struct {
	PID, Parent, UID uint32
	Start            time.Time
	Name             string // at most 16 bytes; the path says it whole
	Zombie           bool   // it has ended, and nobody has asked how
}

// Processes decodes the list kern.proc.all. What is cut short at the end is left
// out.
func Processes(b []byte) []Process {
	list := make([]Process, 0, len(b)/kinfoSize)
	for ; len(b) >= kinfoSize; b = b[kinfoSize:] {
		word := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
		name, _, _ := bytes.Cut(b[commAt:commAt+commSize], []byte{0})
		list = append(list, Process{
			PID: word(pidAt), Parent: word(parentAt), UID: word(uidAt),
			Start:  time.Unix(int64(binary.LittleEndian.Uint64(b[startSecAt:])), int64(word(startUsecAt))*1000),
			Name:   string(name),
			Zombie: b[statAt] == statZombie,
		})
	}
	return list
}
