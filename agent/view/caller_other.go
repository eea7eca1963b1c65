//go:build !linux && !darwin && !windows

package view

import "net"

// callerOf cannot tell here: Unix sockets of this system do not say who calls.
func callerOf(net.Conn) Caller { return Caller{} }
