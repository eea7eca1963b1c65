package etw

import (
	"encoding/binary"
	"net/netip"
	"reflect"
	"testing"
	"unicode/utf16"
)

// payload writes fields as a manifest names them: numbers little-endian, text as
// UTF-16 with a zero, bytes as they are.
func payload(fields ...any) []byte {
	var b []byte
	for _, f := range fields {
		if s, ok := f.(string); ok {
			f = append(utf16.Encode([]rune(s)), 0)
		}
		b, _ = binary.Append(b, binary.LittleEndian, f)
	}
	return b
}

var (
	mediumLabel = []byte{1, 1, 0, 0, 0, 0, 0, 16, 0, 0x20, 0, 0} // S-1-16-8192
	longLabel   = append([]byte{1, 3, 0, 0, 0, 0, 0, 16}, make([]byte, 12)...)
)

const image = `\Device\HarddiskVolume3\Program Files\größer.exe`

// u32 and u64 name the types of the manifest's fields.
type (
	u32 = uint32
	u64 = uint64
)

var starts = []struct {
	name    string
	version uint8
	data    []byte
}{
	{"v0", 0, payload(u32(4242), u64(99), u32(7), u32(1), image)},
	{"v1: flags", 1, payload(u32(4242), u64(99), u32(7), u32(1), u32(5), image)},
	{"v2: checksum, time, package", 2, payload(u32(4242), u64(99), u32(7), u32(1), u32(5), image, u32(1), u32(2), "pkg", "app")},
	{"v3: sequence, elevation, label", 3, payload(u32(4242), u64(1000), u64(99), u32(7), u64(900), u32(1), u32(5), u32(3), u32(0), mediumLabel, image, u32(1), u32(2), "", "")},
	{"v3: a longer label", 3, payload(u32(4242), u64(1000), u64(99), u32(7), u64(900), u32(1), u32(5), u32(3), u32(1), longLabel, image, u32(1), u32(2), "", "")},
	{"v4, should it only be longer", 4, payload(u32(4242), u64(1000), u64(99), u32(7), u64(900), u32(1), u32(5), u32(3), u32(0), mediumLabel, image, u32(1), u32(2), "", "", u64(1))},
}

func TestParseStarted(t *testing.T) {
	want := Started{PID: 4242, Parent: 7, Session: 1, Created: 99, Image: image}
	for _, c := range starts {
		if got, ok := ParseStarted(&Event{ID: 1, Version: c.version, Data: c.data}); !ok || got != want {
			t.Errorf("%s: ParseStarted = %+v, %v; want %+v", c.name, got, ok, want)
		}
	}
	if _, ok := ParseStarted(&Event{ID: 5, Data: starts[0].data}); ok {
		t.Error("another event is taken for a start")
	}
	spoiled := payload(u32(4242), u64(1000), u64(99), u32(7), u64(900), u32(1), u32(5), u32(3), u32(0), []byte{1, 16, 0, 0, 0, 0, 0, 16}, image)
	if _, ok := ParseStarted(&Event{ID: 1, Version: 3, Data: spoiled}); ok {
		t.Error("a label with more parts than there can be is taken")
	}
}

var stops = []struct {
	name        string
	version     uint8
	data        []byte
	read, wrote uint64
}{
	{"v0", 0, payload(u32(4242), u64(99), u64(199), u32(3), u32(1), u32(50), u64(1), u64(2), []byte("x.exe\x00")), 0, 0},
	{"v1: cycles, I/O", 1, payload(u32(4242), u64(99), u64(199), u32(3), u32(1), u32(50), u64(1), u64(2), u64(3), u32(4), u32(5), u32(6), u32(7), u32(8), []byte("x.exe\x00")), 6 << 10, 7 << 10},
	{"v2: sequence", 2, payload(u32(4242), u64(1000), u64(99), u64(199), u32(3), u32(1), u32(50), u64(1), u64(2), u64(3), u32(4), u32(5), u32(6), u32(7), u32(8), []byte("x.exe\x00")), 6 << 10, 7 << 10},
}

func TestParseStopped(t *testing.T) {
	for _, c := range stops {
		want := Stopped{PID: 4242, Created: 99, Ended: 199, Code: 3, ReadBytes: c.read, WrittenBytes: c.wrote}
		if got, ok := ParseStopped(&Event{ID: 2, Version: c.version, Data: c.data}); !ok || got != want {
			t.Errorf("%s: ParseStopped = %+v, %v; want %+v", c.name, got, ok, want)
		}
	}
	if _, ok := ParseStopped(&Event{ID: 1, Data: stops[0].data}); ok {
		t.Error("another event is taken for an end")
	}
}

func traffic4(size u32) []byte {
	return payload(u32(4242), size, []byte{192, 0, 2, 1}, []byte{10, 0, 0, 1}, []byte{1, 187}, []byte{0xc0, 1}, u32(0), u64(0))
}

func traffic6(size u32, to, from string) []byte {
	a, b := netip.MustParseAddr(to).As16(), netip.MustParseAddr(from).As16()
	return payload(u32(4242), size, a[:], b[:], []byte{1, 187}, []byte{0xc0, 1}, u32(0), u64(0))
}

func TestParseTraffic(t *testing.T) {
	four := [2]netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:49153"), netip.MustParseAddrPort("192.0.2.1:443")}
	six := [2]netip.AddrPort{netip.MustParseAddrPort("[2001:db8::1]:49153"), netip.MustParseAddrPort("[2001:db8::2]:443")}
	data6 := traffic6(70, "2001:db8::2", "2001:db8::1")
	for _, c := range []struct {
		name  string
		id    uint16
		data  []byte
		kind  Kind
		bytes uint32
		ends  [2]netip.AddrPort
	}{
		{"sent", 10, traffic4(70), Sent, 70, four},
		{"received", 11, traffic4(70), Received, 70, four},
		{"connected", 12, traffic4(70), Connected, 0, four},
		{"disconnected", 13, traffic4(0), Disconnected, 0, four},
		{"sent again", 14, traffic4(70), Retransmitted, 70, four},
		{"accepted", 15, traffic4(0), Accepted, 0, four},
		{"UDP sent", 42, traffic4(70), SentUDP, 70, four},
		{"UDP received", 43, traffic4(70), ReceivedUDP, 70, four},
		{"sent, IPv6", 26, data6, Sent, 70, six},
		{"received, IPv6", 27, data6, Received, 70, six},
		{"connected, IPv6", 28, data6, Connected, 0, six},
		{"disconnected, IPv6", 29, data6, Disconnected, 0, six},
		{"sent again, IPv6", 30, data6, Retransmitted, 70, six},
		{"accepted, IPv6", 31, data6, Accepted, 0, six},
		{"UDP sent, IPv6", 58, data6, SentUDP, 70, six},
		{"UDP received, IPv6", 59, data6, ReceivedUDP, 70, six},
		{"IPv4 in IPv6", 26, traffic6(70, "::ffff:192.0.2.1", "::ffff:10.0.0.1"), Sent, 70, four},
	} {
		want := Traffic{Kind: c.kind, PID: 4242, Bytes: c.bytes, Source: c.ends[0], Destination: c.ends[1]}
		if got, ok := ParseTraffic(&Event{ID: c.id, Data: c.data}); !ok || got != want {
			t.Errorf("%s: ParseTraffic = %+v, %v; want %+v", c.name, got, ok, want)
		}
	}
	for _, id := range []uint16{0, 9, 16, 17, 18, 25, 32, 33, 34, 41, 44, 49, 57, 60} {
		if got, ok := ParseTraffic(&Event{ID: id, Data: data6}); ok {
			t.Errorf("event %d is taken for %+v; want it refused", id, got)
		}
	}
}

// TestProviderIDs: what a session asks for is what its decoder knows.
func TestProviderIDs(t *testing.T) {
	for _, id := range KernelNetwork().IDs {
		if _, ok := ParseTraffic(&Event{ID: id, Data: traffic6(1, "::1", "::2")}); !ok {
			t.Errorf("Kernel-Network's event %d is asked for and not known", id)
		}
	}
}

func answered(name string, status u32, results string) []byte {
	return payload(name, u32(28), u64(0x4000), status, results)
}

func TestParseQuestion(t *testing.T) {
	addr := netip.MustParseAddr
	for _, c := range []struct {
		name string
		id   uint16
		data []byte
		want Question
	}{
		{"begins", 3006, payload("WWW.Example.com.", u32(28), u64(0x4000), "", u32(0), u32(0), u32(0), u32(0)), Question{Name: "www.example.com", Type: 28}},
		{"answered", 3008, answered("www.example.com", 0, "::ffff:192.0.2.7;2001:db8::1;"), Question{Name: "www.example.com", Type: 28, Answered: true, Reached: true, Addresses: []netip.Addr{addr("192.0.2.7"), addr("2001:db8::1")}}},
		{"by another name", 3008, answered("a.example", 0, "type:  5 b.example;::ffff:192.0.2.7;"), Question{Name: "a.example", Type: 28, Answered: true, Reached: true, Addresses: []netip.Addr{addr("192.0.2.7")}}},
		{"no such name", 3008, answered("a.example", 9003, ""), Question{Name: "a.example", Type: 28, Answered: true, Code: 3, Reached: true}},
		{"refused", 3008, answered("a.example", 9005, ""), Question{Name: "a.example", Type: 28, Answered: true, Code: 5, Reached: true}},
		{"no record of the type", 3008, answered("a.example", 9501, ""), Question{Name: "a.example", Type: 28, Answered: true, Reached: true}},
		{"timed out", 3008, answered("a.example", 1460, ""), Question{Name: "a.example", Type: 28, Answered: true}},
	} {
		if got, ok := ParseQuestion(&Event{ID: c.id, Data: c.data}); !ok || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: ParseQuestion = %+v, %v; want %+v", c.name, got, ok, c.want)
		}
	}
	long := ""
	for range 26 {
		long += "123456789."
	}
	for name, e := range map[string]Event{
		"another event": {ID: 3018, Data: answered("a.example", 0, "")},
		"no name":       {ID: 3008, Data: answered("", 0, "")},
		"the root":      {ID: 3008, Data: answered(".", 0, "")},
		"a long name":   {ID: 3008, Data: answered(long, 0, "")},
	} {
		if got, ok := ParseQuestion(&e); ok {
			t.Errorf("%s: taken for %+v; want it refused", name, got)
		}
	}
	many := ""
	for range 100 {
		many += "192.0.2.1;"
	}
	if got, ok := ParseQuestion(&Event{ID: 3008, Data: answered("a.example", 0, many)}); !ok || len(got.Addresses) != maxAddresses {
		t.Errorf("100 addresses: %d taken; want %d", len(got.Addresses), maxAddresses)
	}
}

// TestShort cuts every payload at every byte: what lacks a field that is needed is
// refused, and nothing is read beyond the end.
func TestShort(t *testing.T) {
	sweep := func(name string, e Event, needed int, parse func(*Event) bool) {
		t.Helper()
		whole := e.Data
		for n := range len(whole) + 1 {
			e.Data = whole[:n:n]
			if got, want := parse(&e), n >= needed; got != want {
				t.Fatalf("%s cut to %d of %d bytes: taken %v; want %v", name, n, len(whole), got, want)
			}
		}
	}
	text := 2 * (len(utf16.Encode([]rune(image))) + 1)
	started := func(e *Event) bool { _, ok := ParseStarted(e); return ok }
	for i, head := range []int{20, 24, 24, 60, 68, 60} {
		c := starts[i]
		sweep("start "+c.name, Event{ID: 1, Version: c.version, Data: c.data}, head+text, started)
	}
	for i, needed := range []int{24, 72, 80} {
		c := stops[i]
		sweep("stop "+c.name, Event{ID: 2, Version: c.version, Data: c.data}, needed, func(e *Event) bool { _, ok := ParseStopped(e); return ok })
	}
	traffic := func(e *Event) bool { _, ok := ParseTraffic(e); return ok }
	sweep("traffic of IPv4", Event{ID: 10, Data: traffic4(1)}, 20, traffic)
	sweep("traffic of IPv6", Event{ID: 26, Data: traffic6(1, "::1", "::2")}, 44, traffic)
	question := func(e *Event) bool { _, ok := ParseQuestion(e); return ok }
	sweep("question", Event{ID: 3006, Data: payload("a.b", u32(1), u64(0), "")}, 8+12, question)
	sweep("answer", Event{ID: 3008, Data: answered("a.b", 0, "::1;")}, 8+16+10, question)
}

func FuzzParse(f *testing.F) {
	for _, c := range starts {
		f.Add(uint16(1), c.version, c.data)
	}
	for _, c := range stops {
		f.Add(uint16(2), c.version, c.data)
	}
	f.Add(uint16(10), uint8(0), traffic4(5))
	f.Add(uint16(58), uint8(0), traffic6(5, "::1", "::2"))
	f.Add(uint16(3008), uint8(0), answered("www.example.com", 0, "::ffff:192.0.2.7;"))
	f.Fuzz(func(t *testing.T, id uint16, version uint8, data []byte) {
		e := Event{ID: id, Version: version, Data: data}
		if s, ok := ParseStarted(&e); ok && len(s.Image) > 2*len(data) {
			t.Fatalf("a path of %d bytes in %d", len(s.Image), len(data))
		}
		ParseStopped(&e)
		ParseTraffic(&e)
		if q, ok := ParseQuestion(&e); ok && (q.Name == "" || len(q.Name) > maxName || len(q.Addresses) > maxAddresses) {
			t.Fatalf("a name of %d bytes with %d addresses", len(q.Name), len(q.Addresses))
		}
	})
}

func BenchmarkParseTraffic(b *testing.B) {
	e := Event{ID: 11, Data: traffic4(1460)}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ParseTraffic(&e); !ok {
			b.Fatal("refused")
		}
	}
}
