package domain

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
)

// linked puts a link's header before a packet.
func linked(link int, ip []byte) []byte {
	if link == familySize {
		family := byte(2)
		if ip[0]>>4 == 6 {
			family = 30
		}
		return append([]byte{family, 0, 0, 0}, ip...)
	}
	kind := []byte{0x08, 0x00}
	if ip[0]>>4 == 6 {
		kind = []byte{0x86, 0xdd}
	}
	return slices.Concat(make([]byte, 12), kind, ip)
}

// captured is a buffer of a device with one capture for each frame, a second apart.
func captured(frames ...[]byte) []byte {
	var b []byte
	for i, f := range frames {
		b = binary.LittleEndian.AppendUint32(b, uint32(1790000000+i))
		b = binary.LittleEndian.AppendUint32(b, 250000)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f)))
		b = binary.LittleEndian.AppendUint16(b, 20)
		b = append(append(b, 0, 0), f...)
		for len(b)%captureAlign != 0 {
			b = append(b, 0xaa)
		}
	}
	return b
}

// machine runs the filter for a link as the kernel does.
func machine(t *testing.T, link int) *bpf.VM {
	t.Helper()
	raw, err := linkFilter(uint32(link))
	if err != nil {
		t.Fatal(err)
	}
	program, whole := bpf.Disassemble(raw)
	if !whole || len(raw) > 60 {
		t.Fatalf("%d instructions, all known: %v; want few, true", len(raw), whole)
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// TestLinkFilter runs the filter on packets as they would lie in a frame: those
// that say a name pass, whichever way they go, and nothing else does.
func TestLinkFilter(t *testing.T) {
	passes := map[string]bool{
		"dns, v4": true, "dns, v6": true, "dns, v4 with options": true, "dns over tcp, v4": true, "dns over tcp, v6": true,
		"hello, v4": true, "hello, v6": true, "initial, v4": true, "initial, v6": true,
	}
	for _, link := range []int{etherSize, familySize} {
		vm := machine(t, link)
		for name, ip := range frames(t) {
			n, err := vm.Run(linked(link, ip))
			if err != nil || (n > 0) != passes[name] {
				t.Errorf("link of %d bytes, %s: %d bytes pass, %v; want some: %v", link, name, n, err, passes[name])
			}
			answer := slices.Clone(ip) // from port 53, to the client's
			at := 20
			if ip[0]>>4 == 6 {
				at = 40
			} else if ip[0]&15 == 6 {
				at = 24
			}
			copy(answer[at:], []byte{ip[at+2], ip[at+3], ip[at], ip[at+1]})
			if n, err := vm.Run(linked(link, answer)); bytes.HasPrefix([]byte(name), []byte("dns,")) && passes[name] && (n == 0 || err != nil) {
				t.Errorf("link of %d bytes, the answer to %s: %d bytes pass, %v; want all", link, name, n, err)
			}
		}
		for name, frame := range map[string][]byte{"empty": nil, "ARP": append(make([]byte, 12), 8, 6, 0, 1), "cut short": linked(link, frames(t)["dns, v4"])[:link+18]} {
			if n, _ := vm.Run(frame); n > 0 {
				t.Errorf("link of %d bytes, %s: %d bytes pass; want none", link, name, n)
			}
		}
	}
}

// TestParseCaptures reads a buffer of several frames, and says by the machine's own
// addresses which way they went.
func TestParseCaptures(t *testing.T) {
	all := frames(t)
	own := map[netip.Addr]struct{}{netip.MustParseAddr("192.0.2.1"): {}, netip.MustParseAddr("2001:db8::1"): {}}
	for _, link := range []int{etherSize, familySize} {
		b := captured(linked(link, all["dns, v4"]), linked(link, all["ntp"]), linked(link, all["hello, v6"]))
		var kinds []kind
		var times []int64
		take := func(p *packet) { kinds, times = append(kinds, p.kind), append(times, p.at) }
		parseCaptures(b, link, own, take)
		if !slices.Equal(kinds, []kind{kindDNSOut, kindHello}) || !slices.Equal(times, []int64{1790000000_250000000, 1790000002_250000000}) {
			t.Errorf("parseCaptures() = %v at %v; want a question and a hello", kinds, times)
		}
		for n := range len(b) {
			parseCaptures(b[:n], link, own, take)
		}
		kinds = nil
		parseCaptures(b, link, nil, take)
		if len(kinds) != 0 {
			t.Errorf("parseCaptures() of others' packets = %v; want none: nobody asked from port 53", kinds)
		}
	}
}

// FuzzCaptures: no buffer makes the parser panic or read past its end.
func FuzzCaptures(f *testing.F) {
	for _, ip := range frames(f) {
		f.Add(captured(linked(etherSize, ip)), true)
		f.Add(captured(linked(familySize, ip), ip), false)
	}
	own := map[netip.Addr]struct{}{netip.MustParseAddr("192.0.2.1"): {}}
	f.Fuzz(func(t *testing.T, b []byte, ether bool) {
		link := familySize
		if ether {
			link = etherSize
		}
		size := 0
		parseCaptures(b, link, own, func(p *packet) { size += len(p.data) })
		if size > len(b) {
			t.Errorf("%d bytes in a buffer of %d", size, len(b))
		}
	})
}
