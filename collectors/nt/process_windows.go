package nt

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// The buffer of a snapshot: 300 processes with their threads take about 400 KiB.
const (
	firstBuffer = 512 << 10
	maxBuffer   = 64 << 20
)

// Reader takes snapshots of all processes into one buffer. It is not safe for
// concurrent use.
type Reader struct{ buf []uint64 }

// Processes calls do with every process until do says no. What it hands out is good
// until do returns.
func (r *Reader) Processes(do func(*Process) bool) error {
	if r.buf == nil {
		r.buf = make([]uint64, firstBuffer/8)
	}
	for {
		size := uint32(8 * len(r.buf))
		var used uint32
		err := windows.NtQuerySystemInformation(windows.SystemProcessInformation, unsafe.Pointer(&r.buf[0]), size, &used)
		if errors.Is(err, windows.STATUS_INFO_LENGTH_MISMATCH) && size < maxBuffer {
			// Some may start until the next call.
			want := max(2*size, used+used/4)
			r.buf = make([]uint64, min(want, maxBuffer)/8)
			continue
		}
		if err != nil {
			return fmt.Errorf("take a snapshot of processes: %w", err)
		}
		b := unsafe.Slice((*byte)(unsafe.Pointer(&r.buf[0])), min(used, size))
		if !EachProcess(b, uint64(uintptr(unsafe.Pointer(&r.buf[0]))), do) {
			return errors.New("take a snapshot of processes: it is cut short")
		}
		return nil
	}
}

// Held is a process that is kept from being forgotten: while it is held its pid is
// given to no other, and its last figures can be read. Close it soon after its end.
type Held struct{ h windows.Handle }

// Hold opens a process for questions that everybody may ask.
func Hold(pid uint32) (Held, error) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return Held{}, fmt.Errorf("open process: %w", err)
	}
	return Held{h}, nil
}

// Close lets the process go.
func (p Held) Close() { _ = windows.CloseHandle(p.h) }

// maxPath is the longest path that Windows has, in UTF-16 units.
const maxPath = 32768

// Path returns the program's file, as people know it: with a drive's letter.
func (p Held) Path() (string, error) {
	var short [windows.MAX_PATH]uint16
	buf := short[:]
	for {
		n := uint32(len(buf))
		err := windows.QueryFullProcessImageName(p.h, 0, &buf[0], &n)
		if err == nil {
			return windows.UTF16ToString(buf[:n]), nil
		}
		if !errors.Is(err, windows.ERROR_INSUFFICIENT_BUFFER) || len(buf) >= maxPath {
			return "", fmt.Errorf("ask for a program's file: %w", err)
		}
		buf = make([]uint16, maxPath)
	}
}

// Figures reads them. A part that the system does not tell is 0.
func (p Held) Figures() (f Figures, err error) {
	var created, ended, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(p.h, &created, &ended, &kernel, &user); err != nil {
		return f, fmt.Errorf("ask for a process's times: %w", err)
	}
	f.Created, f.Ended = ticks(created), ticks(ended)
	f.UserTime, f.KernelTime = uint64(ticks(user)), uint64(ticks(kernel))
	if f.Ended != 0 {
		_ = windows.GetExitCodeProcess(p.h, &f.Code)
	}
	var vm vmCounters
	if windows.NtQueryInformationProcess(p.h, windows.ProcessVmCounters, unsafe.Pointer(&vm), uint32(unsafe.Sizeof(vm)), nil) == nil {
		f.PeakWorkingSet = uint64(vm.peakWorkingSet)
	}
	var io windows.IO_COUNTERS
	if windows.NtQueryInformationProcess(p.h, windows.ProcessIoCounters, unsafe.Pointer(&io), uint32(unsafe.Sizeof(io)), nil) == nil {
		f.ReadBytes, f.WrittenBytes = io.ReadTransferCount, io.WriteTransferCount
	}
	return f, nil
}

// vmCounters is VM_COUNTERS.
type vmCounters struct {
	peakVirtual, virtual                     uintptr
	pageFaults                               uint32
	peakWorkingSet, workingSet               uintptr
	peakPaged, paged, peakNonPaged, nonPaged uintptr
	pagefile, peakPagefile                   uintptr
}

func ticks(t windows.Filetime) int64 { return int64(t.HighDateTime)<<32 | int64(t.LowDateTime) }

// SessionOf returns the session in which a process runs.
func SessionOf(pid uint32) (uint32, error) {
	var session uint32
	if err := windows.ProcessIdToSessionId(pid, &session); err != nil {
		return 0, fmt.Errorf("ask for a process's session: %w", err)
	}
	return session, nil
}
