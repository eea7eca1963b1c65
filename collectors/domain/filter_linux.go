package domain

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// filter is the classic BPF program of the rung PACKET. It lets through what a
// client of this machine sends and gets: DNS, and of what it sends to ports of
// TLS and QUIC the first messages. Offset 0 is the IP header. What loopback
// carries is seen twice; the direction tells which one counts.
func filter() ([]unix.SockFilter, error) {
	raw, err := assemble(filterSteps())
	if err != nil {
		return nil, err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return filter, nil
}

func filterSteps() []step {
	half := func(off uint32) bpf.Instruction { return bpf.LoadIndirect{Off: off, Size: 2} }
	octet := func(off uint32) bpf.Instruction { return bpf.LoadIndirect{Off: off, Size: 1} }
	equal, more := bpf.JumpEqual, bpf.JumpGreaterOrEqual
	return []step{
		do("", bpf.LoadExtension{Num: bpf.ExtProto}),
		jump(equal, unix.ETH_P_IP, "v4", ""),
		jump(equal, unix.ETH_P_IPV6, "v6", "none"),
		do("v4", bpf.LoadAbsolute{Off: 6, Size: 2}),
		jump(bpf.JumpBitsSet, 0x3fff, "none", ""),
		do("", bpf.LoadMemShift{Off: 0}), // X is where the transport begins
		do("", bpf.LoadAbsolute{Off: 9, Size: 1}),
		jump(equal, protocolUDP, "udp", ""),
		jump(equal, protocolTCP, "tcp", "none"),
		do("v6", bpf.LoadConstant{Dst: bpf.RegX, Val: 40}),
		do("", bpf.LoadAbsolute{Off: 6, Size: 1}),
		jump(equal, protocolUDP, "udp", ""),
		jump(equal, protocolTCP, "tcp", "none"),

		do("udp", bpf.LoadExtension{Num: bpf.ExtType}),
		jump(equal, unix.PACKET_OUTGOING, "udp out", "in"),
		do("udp out", half(2)),
		jump(equal, portDNS, "all", ""),
		jump(equal, portHTTPS, "quic", ""),
		jump(equal, portDoT, "quic", "none"),
		do("quic", octet(8)), // Initial or 0-RTT, of one of two versions
		jump(more, 0xc0, "", "none"),
		jump(more, 0xf0, "none", ""),
		do("", bpf.LoadIndirect{Off: 9, Size: 4}),
		jump(equal, 1, "all", ""),
		jump(equal, 0x6b3343cf, "all", "none"),

		do("tcp", bpf.LoadExtension{Num: bpf.ExtType}),
		jump(equal, unix.PACKET_OUTGOING, "", "in"),
		do("", half(2)),
		jump(equal, portDNS, "all", ""),
		do("", octet(12)), // to what it sends
		do("", bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 2}),
		do("", bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x3c}),
		do("", bpf.ALUOpX{Op: bpf.ALUOpAdd}),
		do("", bpf.TAX{}),
		do("", bpf.LoadIndirect{Off: 0, Size: 2}), // TLS handshake, version 3.x
		jump(more, 22<<8|3, "", "none"),
		jump(more, 22<<8|4, "none", ""),
		do("", octet(5)),
		jump(equal, clientHello, "all", "none"),

		do("in", half(0)), // of what comes in, answers alone
		jump(equal, portDNS, "all", "none"),

		do("none", bpf.RetConstant{Val: 0}),
		do("all", bpf.RetConstant{Val: snap}),
	}
}
