package privacy

import (
	"net/netip"
	"slices"
	"strings"
)

var (
	net6to4   = netip.MustParsePrefix("2002::/16")     // RFC 3056
	netNAT64  = netip.MustParsePrefix("64:ff9b::/96")  // RFC 6052
	netTeredo = netip.MustParsePrefix("2001::/32")     // RFC 4380
	netShared = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598

	netNAT64Local = netip.MustParsePrefix("64:ff9b:1::/48")  // RFC 8215
	netCompatible = netip.MustParsePrefix("::/96")           // RFC 4291 2.5.5.1
	netTranslated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765 2.1
	netSite       = netip.MustParsePrefix("fec0::/10")       // RFC 3879
)

// destination says where the other end of a connection is. Peers in the local
// network never leave as addresses, unless the network is the company's.
func (r *rules) destination(l Level, v string) string {
	return r.kept(&r.dest, l, v, (*rules).destinationOf)
}

func (r *rules) destinationOf(l Level, v string) string {
	if l != Scope && l != Prefix && l != Cleartext {
		return ""
	}
	addr, err := netip.ParseAddr(v)
	if err != nil {
		return ""
	}
	addr = addr.WithZone("")
	if netTeredo.Contains(addr) {
		return "teredo"
	}
	addr = innerAddress(addr)
	if label := r.corporate(addr); label != "" {
		if l == Cleartext {
			return addr.String()
		}
		return cut("corp:"+label, maxName)
	}
	if word := scopeOf(addr); word != "public" || l == Scope {
		return word
	}
	if l == Prefix {
		bits := 48
		if addr.Is4() {
			bits = 24
		}
		return netip.PrefixFrom(addr, bits).Masked().String()
	}
	return addr.String()
}

// innerAddress returns the IPv4 address that a mapped, 6to4 or NAT64 address
// carries whole, or addr itself.
func innerAddress(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	b := addr.As16()
	switch {
	case net6to4.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:]))
	case netNAT64Local.Contains(addr) && [4]byte(b[12:]) != [4]byte{}:
		return netip.AddrFrom4([4]byte(b[12:])) // a /96 of it, as translators have
	case netNAT64.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return addr
}

// scopeOf says in a word how far away an address is.
func scopeOf(addr netip.Addr) string {
	switch {
	case addr.IsUnspecified():
		return "unspecified"
	case addr.IsLoopback():
		return "loopback"
	case addr.IsLinkLocalUnicast():
		return "link-local"
	case addr.IsMulticast():
		return "multicast"
	case addr.IsPrivate(), netShared.Contains(addr), netSite.Contains(addr), netNAT64Local.Contains(addr):
		return "private"
	case netCompatible.Contains(addr), netTranslated.Contains(addr):
		b := addr.As16()
		return scopeOf(netip.AddrFrom4([4]byte(b[12:]))) // a peer next door is one in any spelling
	}
	return "public"
}

// localAddress serves the device's own addresses, IP and MAC. At Cleartext they
// leave whole, without a zone: it may hold the name of an interface.
func (r *rules) localAddress(l Level, v string) string {
	return r.kept(&r.locals, l, v, (*rules).localAddressOf)
}

func (r *rules) localAddressOf(l Level, v string) string {
	switch l {
	case Scope:
		return r.destinationOf(Scope, v)
	case Cleartext:
		if addr, err := netip.ParseAddr(v); err == nil {
			return addr.WithZone("").Unmap().String()
		}
		return colons(hexDigits(v))
	}
	return ""
}

// corporate returns the label of the company's network that addr lies in, the
// narrowest one.
func (r *rules) corporate(addr netip.Addr) string {
	for _, n := range r.networks {
		if n.CIDR.Contains(addr) {
			return n.Label
		}
	}
	return ""
}

// corporateNetworks returns the networks narrowest first.
func corporateNetworks(list []Network) []Network {
	out := make([]Network, 0, len(list))
	for _, n := range list {
		addr, bits := n.CIDR.Addr(), n.CIDR.Bits()
		if addr.Is4In6() && bits >= 96 {
			n.CIDR = netip.PrefixFrom(addr.Unmap(), bits-96)
		}
		if n.CIDR.IsValid() && n.Label != "" {
			n.CIDR, n.Label = n.CIDR.Masked(), validText(n.Label, "\ufffd")
			out = append(out, n)
		}
	}
	slices.SortStableFunc(out, func(a, b Network) int {
		if d := b.CIDR.Bits() - a.CIDR.Bits(); d != 0 {
			return d
		}
		return strings.Compare(a.Label, b.Label)
	})
	return out
}
