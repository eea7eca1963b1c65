//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// testGrace is how long a program may take to stop.
const testGrace = 20 * time.Second

// States of TCP as /proc/net/tcp numbers them; see tcp_states.h.
const (
	tcpEstablished = 1
	tcpListen      = 10
)

// socket is a TCP socket of a process.
type socket struct {
	port  int
	state int
}

// sockets returns the TCP sockets of a process, from its descriptors and
// /proc/net/tcp (proc(5)).
func sockets(t *testing.T, pid int) []socket {
	t.Helper()
	mine := map[string]bool{}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("no descriptors of process %d: %v", pid, err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil {
			if inode, ok := strings.CutPrefix(to, "socket:["); ok {
				mine[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	var found []socket
	for _, file := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 10 || !mine[f[9]] {
				continue
			}
			port, err1 := strconv.ParseInt(f[1][strings.LastIndexByte(f[1], ':')+1:], 16, 32)
			state, err2 := strconv.ParseInt(f[3], 16, 32)
			if err1 != nil || err2 != nil {
				t.Fatalf("/proc/net/%s holds %q", file, line)
			}
			found = append(found, socket{int(port), int(state)})
		}
	}
	return found
}

// localPorts returns the ports of a process's established connections.
func localPorts(t *testing.T, pid int) []int {
	t.Helper()
	var ports []int
	for _, s := range sockets(t, pid) {
		if s.state == tcpEstablished {
			ports = append(ports, s.port)
		}
	}
	return ports
}
