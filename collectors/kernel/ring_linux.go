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
// together, at the full second: it is wake-ups that cost, not records.
const ReadEvery = time.Second

// What stands before each record in a ring (linux/bpf.h).
const (
	recordHead = 8
	busy       = 1 << 31 // BPF_RINGBUF_BUSY_BIT
	discarded  = 1 << 30 // BPF_RINGBUF_DISCARD_BIT
)

// Ring reads the ring of the programs. One goroutine may use it.
type Ring struct {
	file     *os.File // the map, as the runtime's poller knows it
	raw      syscall.RawConn
	consumer []byte // the page with our place in it
	producer []byte // the page with the kernel's place, then the data, twice
	data     []byte
	mask     uint64
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
	// The map keeps its own descriptor.
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	r := &Ring{file: os.NewFile(uintptr(fd), "ring"), mask: uint64(size) - 1}
	if err := r.open(fd, size); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Ring) open(fd, size int) error {
	page := os.Getpagesize()
	var err error
	if r.raw, err = r.file.SyscallConn(); err != nil {
		return err
	}
	if r.consumer, err = unix.Mmap(fd, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map our place: %w", err)
	}
	// The data is there twice in a row, so that a record never breaks at the end.
	if r.producer, err = unix.Mmap(fd, int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map records: %w", err)
	}
	r.data = r.producer[page:]
	return r.file.SetReadDeadline(time.Time{}) // fails where the poller does not take it
}

// Read hands out every record, at the full second or once the ring is half
// full, and calls read after that, whether or not there was one. It returns nil
// when ctx is done, or the error of read. A record is good until handle
// returns.
func (r *Ring) Read(ctx context.Context, handle func(record []byte), read func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = r.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		now := time.Now()
		if err := r.file.SetReadDeadline(now.Add(ReadEvery - time.Duration(now.UnixNano())%ReadEvery)); err != nil {
			return fmt.Errorf("wait for ring: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		waited := false
		err := r.raw.Read(func(uintptr) bool {
			done := waited || r.unread() > r.mask/2
			waited = true
			return done
		})
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("wait for ring: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		r.drain(handle)
		if err := read(); err != nil {
			return err
		}
	}
}

func place(page []byte) *uint64 { return (*uint64)(unsafe.Pointer(&page[0])) }

func (r *Ring) unread() uint64 {
	return atomic.LoadUint64(place(r.producer)) - atomic.LoadUint64(place(r.consumer))
}

// drain hands out what was there when it was called.
func (r *Ring) drain(handle func([]byte)) {
	at, end := atomic.LoadUint64(place(r.consumer)), atomic.LoadUint64(place(r.producer))
	for at < end {
		from := at & r.mask
		head := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.data[from])))
		if head&busy != 0 {
			return // reserved and not yet written: the next read has it
		}
		size := uint64(head &^ (busy | discarded))
		if head&discarded == 0 {
			handle(r.data[from+recordHead : from+recordHead+size : from+recordHead+size])
		}
		at += (recordHead + size + 7) &^ 7
		atomic.StoreUint64(place(r.consumer), at)
	}
}

// Close releases the ring. It is not called while Read runs.
func (r *Ring) Close() error {
	errs := []error{r.file.Close()}
	for _, b := range [][]byte{r.consumer, r.producer} {
		if b != nil {
			errs = append(errs, unix.Munmap(b))
		}
	}
	return errors.Join(errs...)
}
