package domain

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

func at(cookie uint64, remote string) flow {
	return flow{cookie: cookie, local: netip.MustParseAddrPort("0.0.0.0:1234"), remote: netip.MustParseAddrPort(remote)}
}

const resolver = "192.0.2.53:53"

func TestQuestionsAndAnswers(t *testing.T) {
	here := at(1, resolver)
	ask := packet{kind: kindDNSOut, owner: owner{pid: 7}, at: 1000, flow: here, data: packed(t, 5, "a.example", false)}
	reply := packet{kind: kindDNSIn, at: 4000, flow: here, data: packed(t, 5, "a.example", true, "192.0.2.1")}
	but := func(p packet, do func(*packet)) packet { do(&p); return p }
	elsewhere := func(f flow) func(*packet) { return func(p *packet) { p.flow = f } }
	tests := []struct {
		name    string
		packets []packet
		latency []int64 // of each sighting after a minute; 0: not answered
	}{
		{"answered", []packet{ask, reply}, []int64{3000}},
		{"asked again", []packet{ask, but(ask, func(p *packet) { p.at = 2000 }), reply}, []int64{3000}},
		{"answered twice", []packet{ask, reply, reply}, []int64{3000}},
		{"not answered", []packet{ask}, []int64{0}},
		{"answer without a question", []packet{reply}, nil},
		{"answer before its question", []packet{reply, ask}, []int64{0}},
		{"another id", []packet{ask, but(reply, func(p *packet) { p.data = packed(t, 6, "a.example", true) }), reply}, []int64{3000}},
		{"another name", []packet{ask, but(reply, func(p *packet) { p.data = packed(t, 5, "b.example", true) }), reply}, []int64{3000}},
		{"from another server", []packet{ask, but(reply, elsewhere(at(1, "203.0.113.9:53")))}, []int64{0}},
		{"from another port", []packet{ask, but(reply, elsewhere(at(1, "192.0.2.53:5353")))}, []int64{0}},
		{"to another socket", []packet{ask, but(reply, elsewhere(at(2, resolver)))}, []int64{0}},
		{"an answer that goes out", []packet{ask, but(reply, func(p *packet) { p.kind = kindDNSOut })}, []int64{0}},
		{"a question that comes in", []packet{but(ask, func(p *packet) { p.kind = kindDNSIn }), reply}, nil},
		{"the id used anew", []packet{ask, but(ask, func(p *packet) { p.data = packed(t, 5, "c.example", false) })}, []int64{0, 0}},
		{"the clock went back", []packet{ask, but(reply, func(p *packet) { p.at = 500 })}, []int64{1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDecoder()
			for i := range tt.packets {
				d.take(&tt.packets[i])
			}
			d.sweep(int64(time.Minute))
			var got []int64
			for _, s := range d.flush().sightings {
				got = append(got, s.latency)
				if s.owner.pid != 7 && len(tt.packets) == 2 && tt.packets[0].kind == kindDNSOut {
					t.Errorf("pid %d; want that of the question", s.owner.pid)
				}
				if s.answered != (s.latency != 0) {
					t.Errorf("answered %v with a latency of %d", s.answered, s.latency)
				}
			}
			if !slices.Equal(got, tt.latency) {
				t.Errorf("latencies %v; want %v", got, tt.latency)
			}
		})
	}
}

// TestFloodOfQuestions: what is pushed out was asked all the same, and is told.
func TestFloodOfQuestions(t *testing.T) {
	d := newDecoder()
	const n = 3 * maxQuestions
	for i := range n {
		d.take(&packet{kind: kindDNSOut, at: 1, flow: at(uint64(i), resolver), data: packed(t, 5, "a.example", false)})
		if len(d.questions) > maxQuestions {
			t.Fatalf("%d questions wait; want at most %d", len(d.questions), maxQuestions)
		}
	}
	d.sweep(int64(time.Minute))
	if got := len(d.flush().sightings); got != n || len(d.questions) != 0 {
		t.Errorf("%d told, %d wait; want %d, 0", got, len(d.questions), n)
	}
}

func framed(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }

// names gives a decoder the packets and returns what it sees.
func names(packets []packet) (out []string, lost uint64) {
	d := newDecoder()
	for i := range packets {
		packets[i].at = int64(i + 1)
		d.take(&packets[i])
	}
	d.sweep(int64(time.Hour))
	b := d.flush()
	for _, s := range b.sightings {
		out = append(out, s.name)
	}
	return out, b.lost
}

// TestDNSOverTCP breaks two questions in one stream at every place.
func TestDNSOverTCP(t *testing.T) {
	all := append(framed(packed(t, 1, "a.example", false)), framed(packed(t, 2, "b.example", false))...)
	part := func(from, to int) packet {
		const first = 0xfffffff0 // the numbers run over
		return packet{kind: kindStreamOut, flow: at(1, resolver), seq: uint32(first + from), data: all[from:to]}
	}
	check := func(what string, want []string, packets ...packet) {
		t.Helper()
		got, lost := names(packets)
		slices.Sort(got)
		if !slices.Equal(got, want) || lost != 0 {
			t.Errorf("%s: %q, lost %d; want %q, 0", what, got, lost, want)
		}
	}
	both := []string{"a.example", "b.example"}
	for i := 1; i < len(all); i++ {
		check(fmt.Sprintf("broken at %d", i), both, part(0, i), part(i, len(all)))
		check(fmt.Sprintf("broken at %d, sent again", i), both, part(0, i), part(0, i), part(0, len(all)))
		for j := i + 1; j < len(all); j += 7 {
			check(fmt.Sprintf("broken at %d and %d, out of order", i, j), both, part(0, i), part(j, len(all)), part(i, j))
		}
	}
	// A message whose length is a lie swallows what follows, and no more memory.
	lie := packet{kind: kindStreamOut, flow: at(2, resolver), seq: 1, data: append([]byte{0xff, 0xff}, make([]byte, 3000)...)}
	rest := packet{kind: kindStreamOut, flow: at(2, resolver), seq: 3003, data: make([]byte, 65535-3000)}
	good := packet{kind: kindStreamOut, flow: at(2, resolver), seq: 3003 + 65535 - 3000, data: framed(packed(t, 1, "a.example", false))}
	check("behind a long message", []string{"a.example"}, lie, rest, good)
	lie.data = append([]byte{0xff, 0xff}, make([]byte, maxMessage)...)
	check("behind a long message of which the end was not copied", []string{"a.example"}, lie, good)
}

func TestDNSOverTCPWithAGap(t *testing.T) {
	b := framed(packed(t, 1, "a.example", false))
	var packets []packet
	for i := range 20 { // the part at 0 is followed by parts that never touch it
		packets = append(packets, packet{kind: kindStreamOut, flow: at(1, resolver), seq: uint32(i * 1000), data: b[:10]})
	}
	if got, lost := names(packets); len(got) != 0 || lost != 1 {
		t.Errorf("%q, lost %d; want none, 1", got, lost)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	d := newDecoder()
	for i := range 3 * maxStreams {
		d.take(&packet{kind: kindStreamOut, at: int64(i), flow: at(uint64(i), resolver), data: []byte{0xff}})
		d.take(&packet{kind: kindHello, at: int64(i), flow: at(uint64(i), "192.0.2.1:443"), data: []byte{22, 3, 1}})
	}
	if len(d.streams) > maxStreams || len(d.hellos) > maxStreams {
		t.Errorf("keeps %d streams and %d hellos; want at most %d", len(d.streams), len(d.hellos), maxStreams)
	}
	d.sweep(int64(time.Hour))
	if len(d.streams)+len(d.hellos) != 0 {
		t.Errorf("keeps %d streams and %d hellos after an hour; want none", len(d.streams), len(d.hellos))
	}
}

// TestHelloInParts breaks a real ClientHello at every place.
func TestHelloInParts(t *testing.T) {
	all := realHello(t, "www.example.test")
	where := at(1, "192.0.2.1:443")
	part := func(from, to int) packet {
		return packet{kind: kindHello, flow: where, seq: uint32(4294967200 + from), data: all[from:to]}
	}
	want := []string{"www.example.test"}
	for i := 1; i < len(all); i += 3 {
		if got, _ := names([]packet{part(0, i), part(i, len(all))}); !slices.Equal(got, want) {
			t.Errorf("broken at %d: %q; want %q", i, got, want)
		}
		if got, _ := names([]packet{part(0, i), part(0, i), part(0, len(all)), part(i, len(all))}); !slices.Equal(got, want) {
			t.Errorf("broken at %d, sent again: %q; want %q", i, got, want)
		}
		if j := (i + len(all)) / 2; j > i {
			if got, _ := names([]packet{part(0, i), part(j, len(all)), part(i, j)}); !slices.Equal(got, want) {
				t.Errorf("broken at %d and %d, out of order: %q; want %q", i, j, got, want)
			}
		}
	}
	if got, _ := names([]packet{part(0, len(all)), part(0, len(all)), part(0, 40)}); !slices.Equal(got, want) {
		t.Errorf("whole, and sent again: %q; want %q", got, want)
	}
	tests := []struct {
		name string
		b    []byte
		want []string
	}{
		{"several records", record(made(sni("a.example")), 20), []string{"a.example"}},
		{"no name", record(made(), 1<<14), nil},
		{"a name and an encrypted one", record(made(sni("a.example"), extension(0xfe0d, "x")), 1<<14), []string{"a.example"}},
		{"an encrypted one alone", record(made(extension(0xfe0d, "x")), 1<<14), []string{""}},
		{"plain text", []byte("GET / HTTP/1.1\r\n\r\n"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := names([]packet{{kind: kindHello, flow: where, data: tt.b}}); !slices.Equal(got, tt.want) {
				t.Errorf("names %q; want %q", got, tt.want)
			}
		})
	}
}

// TestPrivateDNS: that names are looked up is seen, and which is not.
func TestPrivateDNS(t *testing.T) {
	d := newDecoder()
	d.take(&packet{kind: kindHello, at: 1, flow: at(1, "192.0.2.1:853"), data: record(made(sni("dns.example")), 1<<14)})
	got := d.flush().sightings
	if len(got) != 2 || got[0].name != "dns.example" || got[1].name != "" || got[1].source != eventv1.NameSource_NAME_SOURCE_DNS {
		t.Errorf("sightings %+v; want the resolver's name, and a question without one", got)
	}
}

// TestPortsAreUsedAnew is about sources without cookies.
func TestPortsAreUsedAnew(t *testing.T) {
	where := at(0, "192.0.2.1:443")
	got, _ := names([]packet{
		{kind: kindHello, flow: where, seq: 1, data: record(made(sni("a.example")), 1<<14)},
		{kind: kindHello, flow: where, seq: 1 << 20, data: record(made(sni("b.example")), 1<<14)},
	})
	if want := []string{"a.example", "b.example"}; !slices.Equal(got, want) {
		t.Errorf("names %q; want %q", got, want)
	}
}

func FuzzStream(f *testing.F) {
	f.Add(framed(packed(f, 1, "a.example", false)), uint8(3), uint8(9))
	f.Fuzz(func(t *testing.T, b []byte, i, j uint8) {
		x, y := min(int(i), len(b)), min(int(j), len(b))
		if x > y {
			x, y = y, x
		}
		whole, _ := names([]packet{{kind: kindStreamOut, flow: at(1, resolver), data: b}})
		parts, _ := names([]packet{
			{kind: kindStreamOut, flow: at(1, resolver), data: b[:x]},
			{kind: kindStreamOut, flow: at(1, resolver), seq: uint32(y), data: b[y:]},
			{kind: kindStreamOut, flow: at(1, resolver), seq: uint32(x), data: b[x:y]},
		})
		slices.Sort(whole)
		slices.Sort(parts)
		if !slices.Equal(whole, parts) && x > 0 {
			t.Errorf("broken at %d and %d: %q; want %q", x, y, parts, whole)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add(made(), uint8(2), uint8(4))
	f.Fuzz(func(t *testing.T, b []byte, k, family uint8) {
		d := newDecoder()
		var p packet
		for range 2 { // as it is, and with a head that is whole
			if parseRecord(b, &p) {
				d.take(&p)
			}
			if prog, ok := parseProgram(b); ok && len(prog.path) > len(b) {
				t.Errorf("parseProgram() = a path of %d bytes from %d", len(prog.path), len(b))
			}
			if len(b) < headBytes {
				return
			}
			b = slices.Clone(b)
			binary.LittleEndian.PutUint32(b, uint32(k%8))
			binary.LittleEndian.PutUint16(b[44:], uint16(len(b)-headBytes))
			binary.LittleEndian.PutUint16(b[46:], uint16(family))
		}
	})
}

func TestParseProgram(t *testing.T) {
	record := func(flags uint32, parts string) []byte {
		b := binary.LittleEndian.AppendUint32(nil, uint32(kindProgram))
		b = binary.LittleEndian.AppendUint32(b, 42)
		b = binary.LittleEndian.AppendUint64(b, 1e9)
		for _, v := range []uint32{1000, flags, uint32(len(parts)), 0} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		return append(append(b, parts...), "rest of the record"...)
	}
	who := owner{pid: 42, uid: 1000, start: 1e9}
	tests := []struct {
		name string
		b    []byte
		want program
		ok   bool
	}{
		{"path", record(0, "curl\x00bin\x00usr\x00"), program{who, "curl", "/usr/bin/curl"}, true},
		{"cut short", record(cutShort, "curl\x00bin\x00"), program{who, "curl", ""}, true},
		{"no path", record(0, ""), program{who, "", ""}, true},
		{"longer than its record", record(0, "x\x00")[:34], program{}, false},
		{"short", nil, program{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := parseProgram(tt.b); got != tt.want || ok != tt.ok {
				t.Errorf("parseProgram() = %v, %v; want %v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}
