package connection

import (
	"net"
	"net/netip"
)

// ownAddresses learns the device's addresses anew: they change with the network.
func (t *tracker) ownAddresses() {
	clear(t.local)
	// Without the list, each socket still tells its own.
	list, _ := net.InterfaceAddrs()
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				t.own(ip.Unmap())
			}
		}
	}
}
