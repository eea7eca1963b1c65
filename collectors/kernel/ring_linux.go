package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ReadEvery is how often a ring is read. The readers of one process wake up
// together, at the full second since the system started: it is wake-ups that
// cost, not records.
const ReadEvery = time.Second

// What stands before each record in a ring (linux/bpf.h).
const (
	recordHead = 8
	busy       = 1 << 31 // BPF_RINGBUF_BUSY_BIT
	discarded  = 1 << 30 // BPF_RINGBUF_DISCARD_BIT
)

// Ring reads the ring of the programs. One goroutine may use it.
type Ring struct {
	file     *os.File // an epoll of the two below, as the runtime's poller knows it
	raw      syscall.RawConn
	fd       int    // the map
	alarm    int    // a timerfd
	consumer []byte // the page with our place in it
	producer []byte // the page with the kernel's place, then the data, twice
	data     []byte
	mask     uint64
	lastRead int64
	ready    func(record []byte) bool // nil: all are
	at       func(func())             // where the reading is done; nil: here
}

// Ring opens the map "ring" of the programs.
func (p *Programs) Ring() (*Ring, error) {
	m := p.Maps["ring"]
	if m == nil {
		return nil, fmt.Errorf("open ring of eBPF programs: %w", os.ErrNotExist)
	}
	r, err := openRing(m.FD(), int(m.MaxEntries()))
	if err != nil {
		return nil, fmt.Errorf("open ring of eBPF programs: %w", err)
	}
	return r, nil
}

func openRing(fd, size int) (*Ring, error) {
	r := &Ring{fd: -1, alarm: -1, mask: uint64(size) - 1}
	if err := r.open(fd, size); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Ring) open(fd, size int) error {
	var err error
	// The map keeps its own descriptor.
	if r.fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return err
	}
	if err := r.wake(); err != nil {
		return err
	}
	page := os.Getpagesize()
	if r.consumer, err = unix.Mmap(r.fd, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map our place: %w", err)
	}
	// The data is there twice in a row, so that a record never breaks at the end.
	if r.producer, err = unix.Mmap(r.fd, int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map records: %w", err)
	}
	r.data = r.producer[page:]
	return nil
}

// wake prepares what ends the wait for records: the kernel's alarm, and the map
// when it says that it is half full. A timer of the runtime would wake a second
// thread of ours each time, the one that watches over the others.
func (r *Ring) wake() error {
	var err error
	if r.alarm, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return fmt.Errorf("make an alarm: %w", err)
	}
	every := unix.NsecToTimespec(int64(ReadEvery))
	// A time in the past that is a full second: so are all that follow.
	first := unix.ItimerSpec{Interval: every, Value: every}
	if err := unix.TimerfdSettime(r.alarm, unix.TFD_TIMER_ABSTIME, &first, nil); err != nil {
		return fmt.Errorf("set an alarm: %w", err)
	}
	both, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("wait for two: %w", err)
	}
	if err := unix.SetNonblock(both, true); err != nil { // or the runtime's poller is not asked
		unix.Close(both)
		return fmt.Errorf("wait for two: %w", err)
	}
	r.file = os.NewFile(uintptr(both), "ring")
	for _, fd := range []int{r.fd, r.alarm} {
		if err := unix.EpollCtl(both, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			return fmt.Errorf("wait for two: %w", err)
		}
	}
	if err := r.file.SetReadDeadline(time.Time{}); err != nil { // where the poller does not take it
		return fmt.Errorf("wait for two: %w", err)
	}
	r.raw, err = r.file.SyscallConn()
	return err
}

// rang reports whether a second has passed since it was asked last.
func (r *Ring) rang() bool {
	var times [8]byte
	// The call cannot block. Of one that could, the runtime tells the thread that
	// watches over the others, and that one then looks fifty times.
	n, _, _ := unix.RawSyscall(unix.SYS_READ, uintptr(r.alarm), uintptr(unsafe.Pointer(&times)), unsafe.Sizeof(times))
	return n == unsafe.Sizeof(times)
}

// Read hands out every record, at the full second or once the ring is half
// full, and calls read after that, whether or not there was one. It returns nil
// when ctx is done, or the error of read. A record is good until handle
// returns.
func (r *Ring) Read(ctx context.Context, handle func(record []byte), read func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = r.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	r.rang() // what is there when we come can wait for the next
	due := func(uintptr) bool { return r.rang() || r.unread() > r.mask/2 }
	for {
		if err := r.raw.Read(due); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("wait for ring: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		r.look(handle)
		if err := read(); err != nil {
			return err
		}
	}
}

func place(page []byte) *uint64 { return (*uint64)(unsafe.Pointer(&page[0])) }

func (r *Ring) unread() uint64 {
	return atomic.LoadUint64(place(r.producer)) - atomic.LoadUint64(place(r.consumer))
}

// Hold lets a record that is not ready wait in the ring for a later read, and all
// that follow it. Once the ring is half full none waits. It is called before Read.
func (r *Ring) Hold(ready func(record []byte) bool) { r.ready = ready }

// At lets another goroutine do what there is to read, which do runs and waits for.
// Where there is nothing it is not asked: each time costs a few wake-ups. It is
// called before Read.
func (r *Ring) At(do func(func())) { r.at = do }

// LastRead returns when the last read began, in nanoseconds since boot: records
// of before were handed out.
func (r *Ring) LastRead() int64 { return r.lastRead }

// look drains the ring if there is something in it.
func (r *Ring) look(handle func([]byte)) {
	r.lastRead = int64(SinceBoot())
	switch {
	case r.unread() == 0:
	case r.at == nil:
		r.drain(handle)
	default:
		r.at(func() { r.drain(handle) })
	}
}

// drain hands out what was there when it was called.
func (r *Ring) drain(handle func([]byte)) {
	at, end := atomic.LoadUint64(place(r.consumer)), atomic.LoadUint64(place(r.producer))
	full := end-at > r.mask/2
	for at < end {
		from := at & r.mask
		head := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.data[from])))
		if head&busy != 0 {
			return // reserved and not yet written: the next read has it
		}
		size := uint64(head &^ (busy | discarded))
		if head&discarded == 0 {
			record := r.data[from+recordHead : from+recordHead+size : from+recordHead+size]
			if r.ready != nil && !full && !r.ready(record) {
				return
			}
			handle(record)
		}
		at += (recordHead + size + 7) &^ 7
		atomic.StoreUint64(place(r.consumer), at)
	}
}

// Close releases the ring. It is not called while Read runs.
func (r *Ring) Close() error {
	var errs []error
	if r.file != nil {
		errs = append(errs, r.file.Close())
	}
	for _, fd := range []int{r.fd, r.alarm} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	for _, b := range [][]byte{r.consumer, r.producer} {
		if b != nil {
			errs = append(errs, unix.Munmap(b))
		}
	}
	return errors.Join(errs...)
}
