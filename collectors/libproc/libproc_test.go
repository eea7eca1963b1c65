package libproc

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// kinfo writes a line of the list as the kernel lays it out.
func kinfo(pid, parent, uid uint32, start time.Time, name string, stat byte) []byte {
	b := bytes.Repeat([]byte{0xaa}, kinfoSize) // nothing else may be read
	order := binary.LittleEndian
	order.PutUint64(b, uint64(start.Unix()))
	order.PutUint32(b[8:], uint32(start.Nanosecond()/1000))
	b[36] = stat
	order.PutUint32(b[40:], pid)
	copy(b[243:260], name+"\x00")
	order.PutUint32(b[420:], uid)
	order.PutUint32(b[560:], parent)
	return b
}

func TestProcesses(t *testing.T) {
	start := time.Unix(1790000000, 123456000)
	want := []Process{
		{PID: 1, Start: start, Name: "launchd"},
		{PID: 501, Parent: 1, UID: 502, Start: start.Add(time.Second), Name: "sixteen-bytes-xx"},
		{PID: 600, Parent: 501, UID: 502, Start: start, Name: "gone", Zombie: true},
	}
	var b []byte
	for _, p := range want {
		stat := byte(2)
		if p.Zombie {
			stat = 5
		}
		b = append(b, kinfo(p.PID, p.Parent, p.UID, p.Start, p.Name, stat)...)
	}
	for _, c := range []struct {
		name string
		b    []byte
		want []Process
	}{
		{"three", b, want},
		{"cut short", b[:len(b)-1], want[:2]},
		{"longer by a part", append(bytes.Clone(b), 1, 2, 3), want},
		{"nothing", nil, []Process{}},
	} {
		if got := Processes(c.b); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: Processes() = %+v; want %+v", c.name, got, c.want)
		}
	}
}

// piece writes a piece of a list, with its padding.
func piece(kind uint32, size int, set func(b []byte)) []byte {
	b := bytes.Repeat([]byte{0xaa}, size)
	binary.LittleEndian.PutUint32(b, uint32(size))
	binary.LittleEndian.PutUint32(b[4:], kind)
	if set != nil {
		set(b)
	}
	return append(b, make([]byte, (8-size%8)%8)...)
}

// pcb writes the pieces of one socket, in the kernel's order and sizes.
func pcb(s Socket, tcp bool) []byte {
	b := piece(kindInet, 104, func(b []byte) {
		binary.LittleEndian.PutUint64(b[8:], s.Handle)
		binary.BigEndian.PutUint16(b[16:], s.Remote.Port())
		binary.BigEndian.PutUint16(b[18:], s.Local.Port())
		if s.Local.Addr().Is4() {
			b[44] = 1
			copy(b[60:], s.Remote.Addr().AsSlice())
			copy(b[76:], s.Local.Addr().AsSlice())
			return
		}
		b[44] = 2
		copy(b[48:], s.Remote.Addr().AsSlice())
		copy(b[64:], s.Local.Addr().AsSlice())
	})
	b = append(b, piece(kindSocket, 76, func(b []byte) {
		binary.LittleEndian.PutUint32(b[64:], s.UID)
		binary.LittleEndian.PutUint32(b[68:], s.PID)
	})...)
	b = append(b, piece(0x002, 36, nil)...) // buffers and figures
	b = append(b, piece(0x004, 36, nil)...)
	b = append(b, piece(0x008, 136, nil)...)
	if tcp {
		b = append(b, piece(kindTCP, 204, func(b []byte) { binary.LittleEndian.PutUint32(b[36:], uint32(s.State)) })...)
	}
	return b
}

func header() []byte {
	b := make([]byte, 24)
	b[0] = 24
	return b
}

func port(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestSockets(t *testing.T) {
	tcp4 := Socket{Handle: 7, PID: 501, UID: 502, Local: port("10.0.0.2:50000"), Remote: port("192.0.2.1:443"), State: 4}
	tcp6 := Socket{Handle: 8, PID: 502, UID: 0, Local: port("[2001:db8::1]:22"), Remote: port("[2001:db8::2]:5"), State: StateListen}
	udp := Socket{Handle: 9, PID: 503, UID: 501, Local: port("10.0.0.2:53"), Remote: port("192.0.2.9:53"), State: -1}
	link := tcp6
	link.Local = port("[fe80:4::1]:22") // as the kernel keeps fe80::1%4
	plain := tcp6
	plain.Local = port("[fe80::1]:22")
	list := func(parts ...[]byte) []byte {
		return append(append(header(), bytes.Join(parts, nil)...), header()...)
	}
	cut := list(pcb(tcp4, true), pcb(tcp6, true))
	for _, c := range []struct {
		name string
		b    []byte
		want []Socket
	}{
		{"two of TCP", list(pcb(tcp4, true), pcb(tcp6, true)), []Socket{tcp4, tcp6}},
		{"UDP", list(pcb(udp, false), pcb(udp, false)), []Socket{udp, udp}},
		{"an address of a link", list(pcb(link, true)), []Socket{plain}},
		{"none", list(), nil},
		{"the second cut short", cut[:len(cut)-500], []Socket{tcp4}},
		{"no end", append(header(), pcb(udp, false)...), []Socket{udp}},
		{"an unknown piece", list(piece(0x100, 48, nil), pcb(udp, false)), []Socket{udp}},
		{"no header", nil, nil},
		{"a length beyond the end", append(header(), 0xff, 0xff, 0xff, 0xff, 0x10, 0, 0, 0), nil},
	} {
		if got := Sockets(c.b); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: Sockets() = %+v; want %+v", c.name, got, c.want)
		}
	}
}

// FuzzLists: no list makes the decoders panic, read past its end, or make more
// than is in it.
func FuzzLists(f *testing.F) {
	f.Add(kinfo(1, 2, 3, time.Unix(1, 0), "a", 2))
	f.Add(append(header(), pcb(Socket{Local: port("10.0.0.2:1"), Remote: port("10.0.0.3:2")}, true)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := len(Processes(b)); n > len(b)/kinfoSize {
			t.Errorf("%d processes in %d bytes", n, len(b))
		}
		if n := len(Sockets(b)); n > len(b)/(inetSize+socketSize) {
			t.Errorf("%d sockets in %d bytes", n, len(b))
		}
	})
}
