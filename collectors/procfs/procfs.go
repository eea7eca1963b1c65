// Package procfs reads what /proc tells about a process, and the names of
// accounts, for the collectors that need to say whose a program is. It reads
// only what they ask for: never a command line, an environment or a working
// directory.
package procfs

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// TicksPerSecond is the unit of the times in /proc/PID/stat. It is USER_HZ,
// which is 100 on every architecture that Go runs on.
const TicksPerSecond = 100

// Stat is what /proc/PID/stat says. Name points into the buffer that was read.
type Stat struct {
	Name        []byte // the kernel's name of it, up to 15 bytes
	State       byte
	Parent      uint32
	Flags       uint32
	UserTicks   uint64
	SystemTicks uint64
	StartTicks  uint64 // since boot
	RSSPages    uint64
}

// kernelThread is PF_KTHREAD.
const kernelThread = 0x00200000

// KernelThread reports whether the process is a part of the kernel.
func (s Stat) KernelThread() bool { return s.Flags&kernelThread != 0 }

// ParseStat reads the text of /proc/PID/stat (proc_pid_stat(5)). The name may
// hold blanks and brackets, so fields are counted from the last bracket.
func ParseStat(b []byte) (Stat, bool) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open || end+2 >= len(b) {
		return Stat{}, false
	}
	s := Stat{Name: b[open+1 : end]}
	field, rest := 3, b[end+2:]
	for len(rest) > 0 {
		var word []byte
		word, rest = cut(rest, ' ')
		n, ok := number(word)
		switch field {
		case 3:
			if len(word) != 1 {
				return Stat{}, false
			}
			s.State, ok = word[0], true
		case 4:
			s.Parent = uint32(n)
		case 9:
			s.Flags = uint32(n)
		case 14:
			s.UserTicks = n
		case 15:
			s.SystemTicks = n
		case 22:
			s.StartTicks = n
		case 24:
			s.RSSPages = n
			return s, ok
		default:
			ok = true // not read: some are negative
		}
		if !ok {
			return Stat{}, false
		}
		field++
	}
	return Stat{}, false
}

// ParseUID returns the real user id in the text of /proc/PID/status.
func ParseUID(b []byte) (uint32, bool) {
	const key = "\nUid:\t"
	i := bytes.Index(b, []byte(key))
	if i < 0 {
		return 0, false
	}
	b = b[i+len(key):]
	end := bytes.IndexByte(b, '\t')
	if end < 0 {
		return 0, false
	}
	n, ok := number(b[:end])
	return uint32(n), ok && n <= 1<<32-1
}

// AppendNumbers appends the entries of a buffer that getdents64 filled whose
// names are numbers: the processes in /proc, or the descriptors in /proc/PID/fd.
func AppendNumbers(dst []uint32, b []byte) []uint32 {
	const nameAt = 19 // after d_ino, d_off, d_reclen, d_type
	for len(b) > nameAt {
		size := int(binary.NativeEndian.Uint16(b[16:]))
		if size <= nameAt || size > len(b) {
			return dst
		}
		name, _ := cut(b[nameAt:size], 0)
		if n, ok := number(name); ok && n <= 1<<32-1 {
			dst = append(dst, uint32(n))
		}
		b = b[size:]
	}
	return dst
}

// SocketInode returns the inode that a link in /proc/PID/fd names, where it is
// one of a socket.
func SocketInode(link []byte) (uint32, bool) {
	word, ok := bytes.CutPrefix(link, []byte("socket:["))
	if !ok {
		return 0, false
	}
	word, _ = cut(word, ']')
	n, ok := number(word)
	return uint32(n), ok && n <= 1<<32-1
}

// Key names a process on this device until it restarts: its start in ticks
// since boot, and its pid. Pids alone are used again within minutes.
func Key(startTicks uint64, pid uint32) uint64 { return startTicks<<22 | uint64(pid)&(1<<22-1) }

// ProgramName returns the last part of a program's path. What the kernel adds
// to the link of a file that is gone is no part of it.
func ProgramName(path string) string {
	path = strings.TrimSuffix(path, " (deleted)")
	return path[strings.LastIndexByte(path, '/')+1:]
}

// cut is bytes.Cut for one byte, without its work for long separators.
func cut(b []byte, sep byte) (before, after []byte) {
	if i := bytes.IndexByte(b, sep); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// number reads an unsigned decimal number that fills b.
func number(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' || n > (1<<64-1-9)/10 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}
