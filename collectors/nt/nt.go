// Package nt reads what Windows tells about its processes, in one call for all of
// them, and whose they are, for the collectors that need to say so. It reads only
// what they ask for: never a command line, an environment or a title.
//
// Decoders stand in files without a system in their names, so that every system
// tests them.
package nt

import (
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf16"
)

// Process is one entry of a snapshot (SYSTEM_PROCESS_INFORMATION). Times of the
// CPU are in units of 100 ns, and so is Created, since 1601 (FILETIME).
type Process struct {
	PID, Parent, Session uint32
	Created              int64
	UserTime, KernelTime uint64
	WorkingSet           uint64 // bytes
	PeakWorkingSet       uint64
	ReadBytes            uint64
	WrittenBytes         uint64
	Name                 []byte // UTF-16, in the buffer that was read
}

// Figures are what a process has used so far, or in all where it has ended.
type Figures struct {
	Created, Ended       int64 // FILETIME; Ended is 0 while it runs
	UserTime, KernelTime uint64
	Code                 uint32 // of an ended one
	PeakWorkingSet       uint64
	ReadBytes            uint64
	WrittenBytes         uint64
}

// The offsets of SYSTEM_PROCESS_INFORMATION where pointers have eight bytes.
const (
	offCreated  = 32
	offUser     = 40
	offKernel   = 48
	offName     = 56 // a UNICODE_STRING: length, room, and at +8 the address
	offPID      = 80
	offParent   = 88
	offSession  = 100
	offPeakSet  = 136
	offSet      = 144
	offRead     = 232
	offWritten  = 240
	processSize = 256 // and then the threads, which are passed over
)

// maxEntries bounds a walk. Windows has room for some more handles than that, but
// no device for their processes.
const maxEntries = 1 << 16

// EachProcess calls do with every entry of a snapshot until do says no. base is the
// address at which the system wrote it: names are told as addresses. It reports
// false for a snapshot that is cut short or contradicts itself; what came before
// that was handed out. do must not keep the name.
func EachProcess(b []byte, base uint64, do func(*Process) bool) bool {
	order := binary.LittleEndian
	at := uint64(0)
	var p Process
	for range maxEntries {
		if at > uint64(len(b)) || uint64(len(b))-at < processSize {
			return false
		}
		e := b[at:]
		p = Process{
			PID:            uint32(order.Uint64(e[offPID:])),
			Parent:         uint32(order.Uint64(e[offParent:])),
			Session:        order.Uint32(e[offSession:]),
			Created:        int64(order.Uint64(e[offCreated:])),
			UserTime:       order.Uint64(e[offUser:]),
			KernelTime:     order.Uint64(e[offKernel:]),
			WorkingSet:     order.Uint64(e[offSet:]),
			PeakWorkingSet: order.Uint64(e[offPeakSet:]),
			ReadBytes:      order.Uint64(e[offRead:]),
			WrittenBytes:   order.Uint64(e[offWritten:]),
			Name:           within(b, base, order.Uint64(e[offName+8:]), order.Uint16(e[offName:])),
		}
		if !do(&p) {
			return true
		}
		next := uint64(order.Uint32(e))
		if next == 0 {
			return true
		}
		if next < processSize {
			return false
		}
		at += next
	}
	return false
}

// within returns the bytes at an address of the buffer; nil where they are not all
// in it.
func within(b []byte, base, address uint64, size uint16) []byte {
	off := address - base
	if address < base || off > uint64(len(b)) || uint64(len(b))-off < uint64(size) {
		return nil
	}
	return b[off : off+uint64(size)]
}

// Text turns UTF-16 as Windows writes it into UTF-8, up to the first zero. What is
// no character becomes U+FFFD.
func Text(b []byte) string {
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		u := binary.LittleEndian.Uint16(b)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}

// epoch is 1970 in a FILETIME.
const epoch = 116444736000000000

// UnixMS turns a FILETIME into milliseconds since 1970; 0 stays 0, which is
// unknown.
func UnixMS(filetime int64) int64 {
	if filetime < epoch {
		return 0
	}
	return (filetime - epoch) / int64(time.Millisecond/100)
}

// Key returns the start key of a process that was created at a FILETIME: the
// milliseconds since 1970 shifted left by 22 bits, and the pid; 0 where the time is
// not known.
func Key(filetime int64, pid uint32) uint64 {
	ms := UnixMS(filetime)
	if ms == 0 {
		return 0
	}
	return uint64(ms)<<22 | uint64(pid)&(1<<22-1)
}

// PartOfKernel knows the idle process and the kernel itself by their pids. Other
// parts of the kernel have no program file: Registry, Memory Compression, Secure
// System.
func PartOfKernel(pid uint32) bool { return pid == 0 || pid == 4 }

// BaseName returns the last part of a path.
func BaseName(path string) string { return path[strings.LastIndexAny(path, `\/`)+1:] }
