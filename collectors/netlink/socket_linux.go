package netlink

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Places in what SO_MEMINFO answers (linux/sock_diag.h).
const (
	memInfoDrops = 8
	memInfoVars  = 9
)

// Socket is one netlink socket. One goroutine at a time may use it; only
// Interrupt may be called beside it.
type Socket struct {
	file    *os.File
	raw     syscall.RawConn
	buffer  int    // what the kernel granted
	dropped uint32 // its count at the last Dropped

	// The state of one Receive. Kept here so that waiting allocates nothing.
	into  []byte
	n     int
	err   error
	wait  bool
	readF func(fd uintptr) bool
}

// Open opens a socket of a netlink family, with a receive buffer of buffer
// bytes or as much of it as the system grants, and joins the groups of the mask.
func Open(family int, groups uint32, buffer int) (*Socket, error) {
	return open(family, groups, buffer, unix.SOCK_NONBLOCK)
}

// OpenPolled is Open for a socket that only Poll reads. The runtime does not watch
// it, so that what comes wakes nobody.
func OpenPolled(family int, groups uint32, buffer int) (*Socket, error) {
	return open(family, groups, buffer, 0)
}

func open(family int, groups uint32, buffer, mode int) (*Socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|mode, family)
	if err != nil {
		return nil, fmt.Errorf("open netlink family %d: %w", family, err)
	}
	// Before the bind: a burst right after it must find room. FORCE passes the
	// system's limit and needs CAP_NET_ADMIN.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		// Without the capability a smaller buffer has to do; Buffer tells.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("join groups %#x of netlink family %d: %w", groups, family, err)
	}
	granted, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("ask for the buffer of netlink family %d: %w", family, err)
	}
	s := &Socket{file: os.NewFile(uintptr(fd), "netlink"), buffer: granted}
	if s.raw, err = s.file.SyscallConn(); err != nil {
		s.file.Close()
		return nil, fmt.Errorf("watch netlink family %d: %w", family, err)
	}
	s.readF = s.read
	return s, nil
}

// Close releases the socket.
func (s *Socket) Close() error { return s.file.Close() }

// Join makes the socket hear a multicast group by its number, as families have
// them that name their groups only at run time.
func (s *Socket) Join(group uint32) error { return s.member(unix.NETLINK_ADD_MEMBERSHIP, group) }

// Leave undoes Join.
func (s *Socket) Leave(group uint32) error { return s.member(unix.NETLINK_DROP_MEMBERSHIP, group) }

func (s *Socket) member(option int, group uint32) error {
	var set error
	err := s.raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_NETLINK, option, int(group))
	})
	if err == nil {
		err = set
	}
	if err != nil {
		return fmt.Errorf("join or leave netlink group %d: %w", group, err)
	}
	return nil
}

// Buffer returns the size of the receive buffer as the kernel counts it.
func (s *Socket) Buffer() int { return s.buffer }

// Send sends one message to the kernel.
func (s *Socket) Send(message []byte) error {
	var sent error
	err := s.raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		return sent != unix.EAGAIN
	})
	if err != nil {
		return err
	}
	return sent
}

// Receive waits for one datagram and reads it into buf. It returns ENOBUFS
// where the kernel had no room for some, and os.ErrDeadlineExceeded after
// Interrupt or at the deadline.
func (s *Socket) Receive(buf []byte) (int, error) { return s.receive(buf, true) }

// Poll is Receive without the wait: 0 where there is nothing to read.
func (s *Socket) Poll(buf []byte) (int, error) { return s.receive(buf, false) }

func (s *Socket) receive(buf []byte, wait bool) (int, error) {
	s.into, s.n, s.err, s.wait = buf, 0, nil, wait
	err := s.raw.Read(s.readF)
	s.into = nil
	if err != nil {
		return 0, err
	}
	return s.n, s.err
}

func (s *Socket) read(fd uintptr) bool {
	for {
		// The families that are used here let only the kernel, or who could
		// load a kernel, send to us: the sender's address need not be asked.
		// Nor can the call block, so the runtime need not be told of it.
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(s.into))), uintptr(len(s.into)), unix.MSG_DONTWAIT, 0, 0)
		if s.n, s.err = int(n), nil; errno != 0 {
			s.n, s.err = 0, errno
		}
		switch s.err {
		case unix.EINTR:
		case unix.EAGAIN:
			s.n, s.err = 0, nil
			return !s.wait
		default:
			return true
		}
	}
}

// SetDeadline makes a waiting Receive return at t.
func (s *Socket) SetDeadline(t time.Time) error { return s.file.SetReadDeadline(t) }

// Interrupt makes a waiting Receive, and all that follow, return.
func (s *Socket) Interrupt() { _ = s.file.SetReadDeadline(time.Unix(1, 0)) }

// Filter has the kernel keep only what program lets through. What it holds back
// costs no wake-up.
func (s *Socket) Filter(program []unix.SockFilter) error {
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	var set error
	err := s.raw.Control(func(fd uintptr) {
		set = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &fprog)
	})
	if err != nil {
		return err
	}
	return set
}

// Dropped returns how many datagrams the kernel had no room for since the last
// call. It is exact: the kernel counts them (SO_MEMINFO, Linux 4.12).
func (s *Socket) Dropped() uint32 {
	var info [memInfoVars]uint32
	size := uint32(unsafe.Sizeof(info))
	var errno unix.Errno
	err := s.raw.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err != nil || errno != 0 {
		return 0
	}
	n := info[memInfoDrops] - s.dropped
	s.dropped = info[memInfoDrops]
	return n
}
