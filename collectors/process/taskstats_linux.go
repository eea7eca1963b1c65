package process

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/netlink"
)

const (
	request = 1 // NLM_F_REQUEST
	ack     = 4 // NLM_F_ACK
)

// taskstats listens to what ended threads used. Nothing wakes us for it: the
// socket is not watched, and is read when the connector tells of an exit, for the
// kernel writes here first.
type taskstats struct {
	fd     int
	buf    []byte
	family uint16
	ended  map[uint32]usage // by process, until its exit; bounded by maxProcesses
}

// openTaskstats subscribes. It needs CAP_NET_ADMIN.
func openTaskstats(sysRoot string) (*taskstats, error) {
	if sysRoot == "" {
		sysRoot = "/sys"
	}
	cpus, err := os.ReadFile(filepath.Join(sysRoot, "devices/system/cpu/possible"))
	if err != nil {
		return nil, fmt.Errorf("list processors: %w", err)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("open taskstats: %w", err)
	}
	t := &taskstats{fd: fd, buf: make([]byte, 16<<10), ended: make(map[uint32]usage)}
	if err := t.listen(strings.TrimSpace(string(cpus))); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen to taskstats: %w", err)
	}
	return t, nil
}

func (t *taskstats) listen(cpus string) error {
	if unix.SetsockoptInt(t.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(t.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	if err := unix.Bind(t.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	// The kernel answers at once; a kernel that does not must not hold us up.
	wait := unix.NsecToTimeval(int64(ackWithin / time.Nanosecond))
	if err := unix.SetsockoptTimeval(t.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return err
	}
	m, err := t.ask(genericRequest(controller, request, getFamily, controllerName, taskstatsFamily))
	if err != nil {
		return err
	}
	if len(m) < genericHeader {
		return collectors.ErrUnsupported
	}
	id, ok := attribute(m[genericHeader:], controllerID)
	if !ok || len(id) < 2 {
		return collectors.ErrUnsupported
	}
	t.family = binary.NativeEndian.Uint16(id)
	_, err = t.ask(genericRequest(t.family, request|ack, taskstatsGet, taskstatsListen, cpus))
	return err
}

// ask sends a request and returns the data of the first message of the answer.
func (t *taskstats) ask(message []byte) ([]byte, error) {
	if err := unix.Sendto(t.fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	for {
		n, err := unix.Read(t.fd, t.buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		m, _, ok := netlink.Next(t.buf[:n])
		switch {
		case !ok || t.family != 0 && m.Type == t.family:
			continue // a thread that ended between the subscription and its answer
		case m.Type == netlink.TypeError && netlink.ErrorNumber(m.Data) != 0:
			return nil, unix.Errno(netlink.ErrorNumber(m.Data))
		}
		return m.Data, nil
	}
}

// read takes over all that is there. It does not wait.
func (t *taskstats) read() {
	for {
		n, _, err := unix.Recvfrom(t.fd, t.buf, unix.MSG_DONTWAIT)
		if err == unix.EINTR || err == unix.ENOBUFS {
			continue // what had no room are figures; the ends themselves come by the connector
		}
		if err != nil || n == 0 {
			return
		}
		for b := t.buf[:n]; ; {
			var m netlink.Message
			var ok bool
			if m, b, ok = netlink.Next(b); !ok {
				break
			}
			u, ok := parseTaskstats(m.Data)
			if !ok || m.Type != t.family {
				continue
			}
			sum, known := t.ended[u.pid]
			if !known && len(t.ended) >= maxProcesses {
				continue
			}
			sum.add(u)
			t.ended[u.pid] = sum
		}
	}
}

// take returns what the threads of a process used, and forgets it. A nil
// taskstats knows nothing.
func (t *taskstats) take(pid uint32) (usage, bool) {
	if t == nil {
		return usage{}, false
	}
	t.read()
	u, ok := t.ended[pid]
	delete(t.ended, pid)
	return u, ok
}

// forget drops what it holds, after ends were missed.
func (t *taskstats) forget() {
	if t != nil {
		t.read()
		clear(t.ended)
	}
}

func (t *taskstats) close() {
	if t != nil {
		unix.Close(t.fd)
	}
}
