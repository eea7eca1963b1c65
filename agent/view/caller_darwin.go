package view

import (
	"net"

	"golang.org/x/sys/unix"
)

// callerOf asks the kernel who is at the other end. See unix(4), LOCAL_PEERCRED.
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
		if cred, err := unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED); err == nil {
			who = Caller{UID: cred.Uid, Known: true}
		}
	})
	return who
}
