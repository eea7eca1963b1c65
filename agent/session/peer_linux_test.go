package session

import "net"

// peer stands in for the kernel's word, which agent/view asks for.
func peer(net.Conn) (uint32, bool) { return 4242, true }
