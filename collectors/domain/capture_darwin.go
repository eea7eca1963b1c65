package domain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	maxDevices   = 8
	maxBPF       = 256 // numbers of /dev/bpf that are tried
	captureBytes = 256 << 10
	lookEvery    = time.Second      // what came since is read at once
	linksEvery   = 10 * time.Second // interfaces come and go with networks
)

// captures is the rung PACKET of macOS: a device of bpf(4) on each interface that
// leads anywhere. It does not know whose a packet is.
type captures struct {
	devices map[string]*capture
	own     map[netip.Addr]struct{}
	buf     []byte
	dropped uint64 // by devices that are closed
	told    uint64
}

// capture is one device.
type capture struct {
	fd   int
	link int
}

func openCaptures() (source, error) {
	c := &captures{devices: map[string]*capture{}, buf: make([]byte, captureBytes)}
	// A first device says whether it is allowed at all.
	fd, err := openBPF()
	if err != nil {
		return nil, err
	}
	return c, unix.Close(fd)
}

// openBPF opens the first device that nobody has.
func openBPF() (int, error) {
	for n := range maxBPF {
		fd, err := unix.Open("/dev/bpf"+strconv.Itoa(n), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == unix.EBUSY {
			continue
		}
		if err != nil {
			return -1, fmt.Errorf("open a capture device: %w", err)
		}
		return fd, nil
	}
	return -1, errors.New("open a capture device: all are in use")
}

// openCapture opens a device on an interface, with the filter for its link.
func openCapture(name string) (*capture, error) {
	fd, err := openBPF()
	if err != nil {
		return nil, err
	}
	c := &capture{fd: fd}
	if err := c.attach(name); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return c, nil
}

func (c *capture) attach(name string) error {
	size := uint32(captureBytes)
	if err := control(c.fd, unix.BIOCSBLEN, unsafe.Pointer(&size)); err != nil {
		return fmt.Errorf("set the buffer: %w", err)
	}
	if size != captureBytes {
		return errors.New("set the buffer: another size was given")
	}
	var on [32]byte // struct ifreq: the name is what counts
	if len(name) >= 16 {
		return errors.New("attach the device: a name that is too long")
	}
	copy(on[:], name)
	if err := control(c.fd, unix.BIOCSETIF, unsafe.Pointer(&on)); err != nil {
		return fmt.Errorf("attach the device: %w", err)
	}
	var kind uint32
	if err := control(c.fd, unix.BIOCGDLT, unsafe.Pointer(&kind)); err != nil {
		return fmt.Errorf("ask for the link: %w", err)
	}
	switch kind {
	case unix.DLT_EN10MB:
		c.link = etherSize
	case unix.DLT_NULL:
		c.link = familySize
	default:
		return errors.New("a link of an unknown kind")
	}
	raw, err := linkFilter(uint32(c.link))
	if err != nil {
		return err
	}
	program := make([]unix.BpfInsn, len(raw))
	for i, r := range raw {
		program[i] = unix.BpfInsn{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	// It also drops what came before.
	filter := unix.BpfProgram{Len: uint32(len(program)), Insns: &program[0]}
	err = control(c.fd, unix.BIOCSETF, unsafe.Pointer(&filter))
	runtime.KeepAlive(program)
	if err != nil {
		return fmt.Errorf("attach the filter: %w", err)
	}
	immediate := uint32(1)
	if err := control(c.fd, unix.BIOCIMMEDIATE, unsafe.Pointer(&immediate)); err != nil {
		return fmt.Errorf("ask for what is there: %w", err)
	}
	return nil
}

// control is ioctl(2). What arg points to is alive until it returns.
func control(fd int, request uint, arg unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg))
	if errno != 0 {
		return errno
	}
	return nil
}

// read takes what every device holds, once a second.
func (c *captures) read(ctx context.Context, take func(*packet), _ func(program), flush func(int64) error) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var linked time.Time
	for {
		if time.Since(linked) >= linksEvery {
			if err := c.relink(); err != nil {
				return err
			}
			linked = time.Now()
		}
		before := time.Now().UnixNano()
		for name, d := range c.devices {
			if !c.drain(d, take) {
				c.drop(name) // the interface is gone; it may come back
			}
		}
		if err := flush(before); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// relink opens devices on interfaces that are new, closes those of others, and
// learns the machine's addresses.
func (c *captures) relink() error {
	list, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	own, up := map[netip.Addr]struct{}{}, map[string]bool{}
	for _, i := range list {
		addresses, err := i.Addrs()
		if err != nil || i.Flags&net.FlagUp == 0 {
			continue
		}
		for _, a := range addresses {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				own[ip.Unmap()] = struct{}{}
				up[i.Name] = up[i.Name] || !ip.Unmap().IsLinkLocalUnicast() && i.Flags&net.FlagLoopback == 0
			}
		}
	}
	c.own = own
	for name := range c.devices {
		if !up[name] {
			c.drop(name)
		}
	}
	for name, leads := range up {
		if !leads || c.devices[name] != nil || len(c.devices) >= maxDevices {
			continue
		}
		// One that cannot be had now is asked for again.
		if d, err := openCapture(name); err == nil {
			c.devices[name] = d
		}
	}
	return nil
}

// drain takes what a device holds: two buffers at most. It reports false where the
// device is of no use any more.
func (c *captures) drain(d *capture, take func(*packet)) bool {
	for range 2 {
		n, err := unix.Read(d.fd, c.buf)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR || err == nil && n == 0:
			return true
		case err != nil:
			return false
		}
		parseCaptures(c.buf[:n], d.link, c.own, take)
	}
	return true
}

func (c *captures) drop(name string) {
	d := c.devices[name]
	c.dropped += d.drops()
	_ = unix.Close(d.fd) // nothing is written to it
	delete(c.devices, name)
}

// drops returns how many packets a device had no room for.
func (d *capture) drops() uint64 {
	var s unix.BpfStat
	if control(d.fd, unix.BIOCGSTATS, unsafe.Pointer(&s)) != nil {
		return 0
	}
	return uint64(s.Drop)
}

func (c *captures) lost() (uint64, error) {
	sum := c.dropped
	for _, d := range c.devices {
		sum += d.drops()
	}
	n := sum - min(sum, c.told)
	c.told = sum
	return n, nil
}

func (c *captures) unixNano(at int64) int64 { return at }

func (c *captures) Close() error {
	for name := range c.devices {
		c.drop(name)
	}
	return nil
}
