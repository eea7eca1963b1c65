package domain

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// step is an instruction of the filter. A jump names the steps where it leads;
// "" is the next one.
type step struct {
	label    string
	do       bpf.Instruction
	yes, no  string
	jump     bool
	test     bpf.JumpTest
	constant uint32
}

func do(label string, i bpf.Instruction) step { return step{label: label, do: i} }

func jump(test bpf.JumpTest, constant uint32, yes, no string) step {
	return step{jump: true, test: test, constant: constant, yes: yes, no: no}
}

// assemble makes the program of steps, whose jumps lead forward only.
func assemble(steps []step) ([]bpf.RawInstruction, error) {
	at := make(map[string]int)
	for i, s := range steps {
		if s.label != "" {
			at[s.label] = i
		}
	}
	out := make([]bpf.Instruction, len(steps))
	for i, s := range steps {
		out[i] = s.do
		if s.jump {
			skip := func(label string) uint8 { // only forward
				if label == "" {
					return 0
				}
				return uint8(at[label] - i - 1)
			}
			out[i] = bpf.JumpIf{Cond: s.test, Val: s.constant, SkipTrue: skip(s.yes), SkipFalse: skip(s.no)}
		}
	}
	raw, err := bpf.Assemble(out)
	if err != nil {
		return nil, fmt.Errorf("make the filter: %w", err)
	}
	return raw, nil
}

// Ethernet's types of what a frame carries.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// linkHead tells IPv4 from IPv6 behind a link's header.
func linkHead(link uint32) []step {
	if link == etherSize {
		return []step{
			do("", bpf.LoadAbsolute{Off: 12, Size: 2}),
			jump(bpf.JumpEqual, etherIPv4, "v4", ""),
			jump(bpf.JumpEqual, etherIPv6, "v6", "none"),
		}
	}
	return []step{
		do("", bpf.LoadAbsolute{Off: link, Size: 1}),
		do("", bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4}),
		jump(bpf.JumpEqual, 4, "v4", ""),
		jump(bpf.JumpEqual, 6, "v6", "none"),
	}
}

// linkFilter is the classic BPF program for a device that hands out whole frames
// and does not say which way they go (bpf(4)): link is the length of the link's
// header, 14 for Ethernet, 4 for one that only names the family. It lets through
// DNS both ways, and the first messages of TLS and QUIC; which of them this machine
// sent, parseCaptures decides.
func linkFilter(link uint32) ([]bpf.RawInstruction, error) {
	half := func(off uint32) bpf.Instruction { return bpf.LoadIndirect{Off: link + off, Size: 2} }
	octet := func(off uint32) bpf.Instruction { return bpf.LoadIndirect{Off: link + off, Size: 1} }
	equal, more := bpf.JumpEqual, bpf.JumpGreaterOrEqual
	return assemble(append(linkHead(link), []step{
		do("v4", bpf.LoadAbsolute{Off: link + 6, Size: 2}),
		jump(bpf.JumpBitsSet, 0x3fff, "none", ""),
		do("", bpf.LoadMemShift{Off: link}), // X is the length of the IP header
		do("", bpf.LoadAbsolute{Off: link + 9, Size: 1}),
		jump(equal, protocolUDP, "udp", ""),
		jump(equal, protocolTCP, "tcp", "none"),
		do("v6", bpf.LoadConstant{Dst: bpf.RegX, Val: 40}),
		do("", bpf.LoadAbsolute{Off: link + 6, Size: 1}),
		jump(equal, protocolUDP, "udp", ""),
		jump(equal, protocolTCP, "tcp", "none"),

		do("udp", half(0)),
		jump(equal, portDNS, "all", ""),
		do("", half(2)),
		jump(equal, portDNS, "all", ""),
		jump(equal, portHTTPS, "quic", ""),
		jump(equal, portDoT, "quic", "none"),
		do("quic", octet(8)), // Initial or 0-RTT, of one of two versions
		jump(more, 0xc0, "", "none"),
		jump(more, 0xf0, "none", ""),
		do("", bpf.LoadIndirect{Off: link + 9, Size: 4}),
		jump(equal, 1, "all", ""),
		jump(equal, 0x6b3343cf, "all", "none"),

		do("tcp", half(0)),
		jump(equal, portDNS, "all", ""),
		do("", half(2)),
		jump(equal, portDNS, "all", ""),
		do("", octet(12)),
		do("", bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 2}),
		do("", bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x3c}),
		do("", bpf.ALUOpX{Op: bpf.ALUOpAdd}),
		do("", bpf.TAX{}),
		do("", half(0)), // TLS handshake, version 3.x
		jump(more, 22<<8|3, "", "none"),
		jump(more, 22<<8|4, "none", ""),
		do("", octet(5)),
		jump(equal, clientHello, "all", "none"),

		do("none", bpf.RetConstant{Val: 0}),
		do("all", bpf.RetConstant{Val: snap}),
	}...))
}
