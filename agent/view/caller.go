package view

import "net"

// CallerOf asks the system who is at the other end of a Unix socket, or
// of a pipe on Windows.
func CallerOf(c net.Conn) Caller { return callerOf(c) }
