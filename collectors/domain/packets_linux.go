package domain

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/collectors/kernel"
)

// held is what the socket is asked to hold between two looks.
const held = 4 << 20

// packets is the rung PACKET: a socket that sees what passes the network
// interfaces of the agent's namespace. It does not know whose a packet is.
type packets struct {
	file  *os.File
	raw   syscall.RawConn
	pause time.Duration // between two looks
}

func openPackets() (source, error) {
	// Without a protocol it sees nothing yet: first the filter, then the rest.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, unix.EPERM) {
			return nil, fmt.Errorf("open a packet socket: %w; hint: it needs CAP_NET_RAW", err)
		}
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	p := &packets{file: os.NewFile(uintptr(fd), "packets"), pause: kernel.ReadEvery}
	if err := p.open(fd); err != nil {
		p.file.Close()
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	return p, nil
}

func (p *packets) open(fd int) (err error) {
	program, err := filter()
	if err != nil {
		return err
	}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}); err != nil {
		return fmt.Errorf("attach the filter: %w", err)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, held) != nil {
		// Without CAP_NET_ADMIN it holds a few hundred packets: look more often.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, held)
		p.pause = kernel.ReadEvery / 20
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return fmt.Errorf("ask for times: %w", err)
	}
	const all = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL<<8&0xffff
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	p.raw, err = p.file.SyscallConn()
	return err
}

// read waits for a packet, then a while for others, and takes all that are there.
func (p *packets) read(ctx context.Context, take func(*packet), _ func(program), flush func(int64) error) error {
	stop := context.AfterFunc(ctx, func() { _ = p.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	c, err := confine()
	if err != nil {
		return err
	}
	defer c.end()
	buf, oob := make([]byte, snap), make([]byte, 64)
	busy := false // something may wait for an answer
	for ctx.Err() == nil {
		deadline := time.Time{}
		if busy {
			deadline = time.Now().Add(time.Duration(patience) + p.pause)
		}
		if err := p.wait(ctx, deadline); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(p.pause):
		}
		before := time.Now().UnixNano()
		var n int
		c.do(func() { n, err = p.drain(buf, oob, take) })
		if err != nil {
			return err
		}
		busy = n > 0
		if err := flush(before); err != nil {
			return err
		}
	}
	return nil
}

// wait returns when there is a packet, at the deadline, or when ctx is done.
func (p *packets) wait(ctx context.Context, deadline time.Time) error {
	if err := p.file.SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("wait for packets: %w", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	var polled bool
	err := p.raw.Read(func(fd uintptr) bool {
		done := polled
		polled = true
		if !done {
			n, _, err := unix.Recvfrom(int(fd), nil, unix.MSG_PEEK|unix.MSG_TRUNC)
			done = err == nil && n > 0
		}
		return done
	})
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("wait for packets: %w", err)
	}
	return nil
}

// drain takes what is there, and no more than a socket can hold: who floods it
// must not keep the rest waiting.
func (p *packets) drain(buf, oob []byte, take func(*packet)) (n int, err error) {
	const most = 1 << 15
	var pkt packet
	e := p.raw.Control(func(fd uintptr) {
		for ; n < most; n++ {
			size, noob, _, from, e := unix.Recvmsg(int(fd), buf, oob, 0)
			if e != nil {
				if e != unix.EAGAIN && e != unix.EINTR && e != unix.ENETDOWN {
					err = fmt.Errorf("read packets: %w", e)
				}
				return
			}
			link, ok := from.(*unix.SockaddrLinklayer)
			if !ok {
				continue
			}
			pkt.at = stamp(oob[:noob])
			if parseFrame(buf[:size], link.Pkttype == unix.PACKET_OUTGOING, &pkt) {
				take(&pkt)
			}
		}
	})
	return n, errors.Join(err, e)
}

// stamp returns when a packet passed, in nanoseconds.
func stamp(oob []byte) int64 {
	head, data, _, err := unix.ParseOneSocketControlMessage(oob)
	if err == nil && head.Level == unix.SOL_SOCKET && head.Type == unix.SCM_TIMESTAMPNS && len(data) >= 16 {
		return int64(binary.NativeEndian.Uint64(data))*1e9 + int64(binary.NativeEndian.Uint64(data[8:]))
	}
	return time.Now().UnixNano()
}

// lost asks the kernel how many packets it had no room for since it was asked
// last (packet(7), PACKET_STATISTICS).
func (p *packets) lost() (n uint64, err error) {
	e := p.raw.Control(func(fd uintptr) {
		var stats unix.TpacketStats
		size := uint32(unsafe.Sizeof(stats))
		_, _, no := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_PACKET, unix.PACKET_STATISTICS, uintptr(unsafe.Pointer(&stats)), uintptr(unsafe.Pointer(&size)), 0)
		if no != 0 {
			err = fmt.Errorf("read the lost packets: %w", no)
			return
		}
		n = uint64(stats.Drops)
	})
	return n, errors.Join(err, e)
}

func (p *packets) unixNano(at int64) int64 { return at }

func (p *packets) Close() error { return p.file.Close() }
