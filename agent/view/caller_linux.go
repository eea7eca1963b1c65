package view

import (
	"net"

	"golang.org/x/sys/unix"
)

// callerOf asks the kernel who is at the other end. See unix(7), SO_PEERCRED: it
// is the user at the time of connect, and cannot be forged.
func callerOf(c net.Conn) Caller {
	var who Caller
	u, ok := c.(*net.UnixConn)
	if !ok {
		return who
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return who
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			who = Caller{UID: cred.Uid, Known: true}
		}
	})
	return who
}
