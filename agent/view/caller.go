package view

import "net"

// CallerOf asks the system who is at the other end of a Unix socket.
func CallerOf(c net.Conn) Caller { return callerOf(c) }
