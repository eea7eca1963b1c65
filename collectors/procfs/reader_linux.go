package procfs

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// Reader reads one /proc. It is not safe for concurrent use: its buffers are
// used again by every call.
type Reader struct {
	root string
	path []byte
	buf  []byte
	pids []uint32
}

// NewReader returns a reader of the /proc at root; "" means /proc.
func NewReader(root string) *Reader {
	if root == "" {
		root = "/proc"
	}
	return &Reader{root: root, buf: make([]byte, 32<<10)}
}

// Pids returns the processes that are there. The slice is good until the next
// call.
func (r *Reader) Pids() ([]uint32, error) {
	var err error
	r.pids, err = r.numbers(r.pids[:0], r.root)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	return r.pids, nil
}

// Stat reads /proc/PID/stat. The name in it is good until the next call.
func (r *Reader) Stat(pid uint32) (Stat, error) {
	b, err := r.file(pid, "/stat")
	if err != nil {
		return Stat{}, err
	}
	s, ok := ParseStat(b)
	if !ok {
		return Stat{}, fmt.Errorf("read stat of a process: %w", unix.EBADMSG)
	}
	return s, nil
}

// UID returns the real user id of a process.
func (r *Reader) UID(pid uint32) (uint32, error) {
	b, err := r.file(pid, "/status")
	if err != nil {
		return 0, err
	}
	uid, ok := ParseUID(b)
	if !ok {
		return 0, fmt.Errorf("read status of a process: %w", unix.EBADMSG)
	}
	return uid, nil
}

// Exe returns the path of a process's program. The bytes are good until the
// next call.
func (r *Reader) Exe(pid uint32) ([]byte, error) {
	n, err := unix.Readlink(r.name(pid, "/exe"), r.buf)
	if err != nil {
		return nil, err
	}
	return r.buf[:n], nil
}

// Sockets calls found with the inode of each socket that a process holds, until
// found returns false.
func (r *Reader) Sockets(pid uint32, found func(inode uint32) bool) error {
	dir, err := unix.Open(r.name(pid, "/fd"), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	fds, err := r.entries(nil, dir)
	if err != nil {
		return err
	}
	var link [64]byte
	for _, fd := range fds {
		r.path = strconv.AppendUint(r.path[:0], uint64(fd), 10)
		n, err := unix.Readlinkat(dir, string(r.path), link[:])
		if err != nil {
			continue // closed since
		}
		if inode, ok := SocketInode(link[:n]); ok && !found(inode) {
			return nil
		}
	}
	return nil
}

func (r *Reader) name(pid uint32, file string) string {
	r.path = append(append(r.path[:0], r.root...), '/')
	r.path = append(strconv.AppendUint(r.path, uint64(pid), 10), file...)
	return string(r.path)
}

// file reads the first bytes of a file: what is asked for stands there.
func (r *Reader) file(pid uint32, name string) ([]byte, error) {
	fd, err := unix.Open(r.name(pid, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, r.buf[:4096])
	if err != nil {
		return nil, err
	}
	return r.buf[:n], nil
}

func (r *Reader) numbers(dst []uint32, path string) ([]uint32, error) {
	dir, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return dst, err
	}
	defer unix.Close(dir)
	return r.entries(dst, dir)
}

func (r *Reader) entries(dst []uint32, dir int) ([]uint32, error) {
	for {
		n, err := unix.Getdents(dir, r.buf)
		if err != nil || n == 0 {
			return dst, err
		}
		dst = AppendNumbers(dst, r.buf[:n])
	}
}
