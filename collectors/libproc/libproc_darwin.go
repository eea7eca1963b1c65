package libproc

import (
	"errors"
	"fmt"
	"os/user"
	"runtime"
	"strconv"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/unix"
)

// layout fails to compile where the decoder and golang.org/x/sys differ: the only
// index of these arrays is zero.
func layout() {
	var k unix.KinfoProc
	_ = [1]struct{}{}[unsafe.Sizeof(k)-kinfoSize]
	_ = [1]struct{}{}[unsafe.Offsetof(k.Proc)+unsafe.Offsetof(k.Proc.P_starttime)-startSecAt]
	_ = [1]struct{}{}[unsafe.Offsetof(k.Proc.P_starttime)+unsafe.Offsetof(k.Proc.P_starttime.Usec)-startUsecAt]
	_ = [1]struct{}{}[unsafe.Offsetof(k.Proc.P_stat)-statAt]
	_ = [1]struct{}{}[unsafe.Offsetof(k.Proc.P_pid)-pidAt]
	_ = [1]struct{}{}[unsafe.Offsetof(k.Proc.P_comm)-commAt]
	_ = [1]struct{}{}[unsafe.Sizeof(k.Proc.P_comm)-commSize]
	_ = [1]struct{}{}[unsafe.Offsetof(k.Eproc)+unsafe.Offsetof(k.Eproc.Ucred)+unsafe.Offsetof(k.Eproc.Ucred.Uid)-uidAt]
	_ = [1]struct{}{}[unsafe.Offsetof(k.Eproc)+unsafe.Offsetof(k.Eproc.Ppid)-parentAt]
}

// ListProcesses asks for every process.
func ListProcesses() ([]Process, error) {
	layout()
	b, err := unix.SysctlRaw("kern.proc.all")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	return Processes(b), nil
}

// UIDOf returns whose a process is: the effective account.
func UIDOf(pid uint32) (uid uint32, ok bool) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", int(pid))
	if err != nil || k.Proc.P_pid != int32(pid) {
		return 0, false
	}
	return k.Eproc.Ucred.Uid, true
}

// ListSockets asks for every socket of a protocol, tcp or udp.
func ListSockets(protocol string) ([]Socket, error) {
	b, err := unix.SysctlRaw("net.inet." + protocol + ".pcblist_n")
	if err != nil {
		return nil, fmt.Errorf("list sockets: %w", err)
	}
	return Sockets(b), nil
}

// maxPath is PROC_PIDPATHINFO_MAXSIZE, sys/proc_info.h.
const maxPath = 4096

// Paths finds the programs of processes. It is not safe for concurrent use.
type Paths struct {
	call uintptr // proc_pidpath
	buf  [maxPath]byte
}

// OpenPaths finds the function in the system's library.
func OpenPaths() (*Paths, error) {
	lib, err := purego.Dlopen("/usr/lib/libSystem.B.dylib", purego.RTLD_LAZY|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("open libSystem: %w", err)
	}
	call, err := purego.Dlsym(lib, "proc_pidpath")
	if err != nil {
		return nil, fmt.Errorf("find proc_pidpath: %w", err)
	}
	return &Paths{call: call}, nil
}

// Of returns the path of a process's program, or "" where it is gone or not told.
func (p *Paths) Of(pid uint32) string {
	n, _, _ := purego.SyscallN(p.call, uintptr(pid), uintptr(unsafe.Pointer(&p.buf[0])), maxPath)
	runtime.KeepAlive(p)
	if n == 0 || n > maxPath {
		return ""
	}
	return string(p.buf[:n])
}

// Exits hears how processes end. It is not safe for concurrent use.
type Exits struct {
	queue int
	buf   [256]unix.Kevent_t
}

// OpenExits makes the queue, kqueue(2).
func OpenExits() (*Exits, error) {
	queue, err := unix.Kqueue()
	if err != nil {
		return nil, fmt.Errorf("open kqueue: %w", err)
	}
	unix.CloseOnExec(queue)
	return &Exits{queue: queue}, nil
}

// Close closes the queue.
func (e *Exits) Close() error { return unix.Close(e.queue) }

// Watch asks to be told of a process's end. One that is gone already is not told.
func (e *Exits) Watch(pid uint32) {
	change := [1]unix.Kevent_t{{Ident: uint64(pid), Filter: unix.EVFILT_PROC, Flags: unix.EV_ADD | unix.EV_ONESHOT, Fflags: unix.NOTE_EXIT | unix.NOTE_EXITSTATUS}}
	_, _ = unix.Kevent(e.queue, change[:], nil, nil)
}

// Take calls ended with every end since the last call, without waiting: the pid and
// the status as wait(2) gives it.
func (e *Exits) Take(ended func(pid, status uint32)) error {
	for {
		n, err := unix.Kevent(e.queue, nil, e.buf[:], &unix.Timespec{})
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read kqueue: %w", err)
		}
		for _, k := range e.buf[:n] {
			if k.Fflags&unix.NOTE_EXIT != 0 && k.Flags&unix.EV_ERROR == 0 {
				ended(uint32(k.Ident), uint32(k.Data))
			}
		}
		if n < len(e.buf) {
			return nil
		}
	}
}

// maxAccounts bounds the cache of account names.
const maxAccounts = 1024

// Accounts finds the names of accounts, those of a directory service too. Such a
// one may answer late, so each is asked for once. It is not safe for concurrent use.
type Accounts struct{ names map[uint32]string }

// NewAccounts returns an empty cache.
func NewAccounts() *Accounts { return &Accounts{make(map[uint32]string)} }

// Find returns the name of an account and its id in decimal. One that nobody knows
// is called uid:ID.
func (a *Accounts) Find(uid uint32) (name, id string) {
	id = strconv.FormatUint(uint64(uid), 10)
	name, known := a.names[uid]
	if !known {
		name = "uid:" + id
		if u, err := user.LookupId(id); err == nil {
			name = u.Username
		}
		if len(a.names) >= maxAccounts {
			clear(a.names)
		}
		a.names[uid] = name
	}
	return name, id
}
