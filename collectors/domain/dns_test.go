package domain

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// packed returns a message with one question, and with answers where there are
// addresses.
func packed(t testing.TB, id uint16, name string, response bool, addrs ...string) []byte {
	t.Helper()
	n := dnsmessage.MustNewName(name + ".")
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, Response: response},
		Questions: []dnsmessage.Question{{Name: n, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	for _, a := range addrs {
		head := dnsmessage.ResourceHeader{Name: n, Class: dnsmessage.ClassINET, TTL: 60}
		if addr := netip.MustParseAddr(a); addr.Is4() {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: addr.As4()}})
		} else {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const header = "\x00\x07\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" // an answer with one record

func TestParseMessage(t *testing.T) {
	const a = "\x00\x01\x00\x01"
	tests := []struct {
		name, b, want string
		ok            bool
	}{
		{"question", "\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03WwW\x07eXample\x00" + a, "www.example", true},
		{"cut behind the question", header + "\x01a\x00" + a, "a", true},
		{"the root", header + "\x00" + a, "", true},
		{"not a byte of a name", header + "\x03a\x01\xff\x00" + a, "a??", true},
		{"dot inside of a label", header + "\x03a.b\x01c\x00" + a, "a?b.c", true},
		{"underscore", header + "\x06_dmarc\x01c\x00" + a, "_dmarc.c", true},
		{"pointer to itself", header + "\xc0\x0c" + a, "", false},
		{"pointer forward", header + "\xc0\x20" + a + strings.Repeat("\x00", 40), "", false},
		{"name of 256 bytes", header + strings.Repeat("\x3f"+strings.Repeat("x", 63), 4) + "\x00" + a, "", false},
		{"label of 64 bytes", header + "\x40" + strings.Repeat("x", 64) + "\x00" + a, "", false},
		{"no end", header + "\x01a", "", false},
		{"no type", header + "\x01a\x00\x00", "", false},
		{"no question", "\x00\x07\x81\x80\x00\x00\x00\x00\x00\x00\x00\x00", "", false},
		{"two questions", "\x00\x07\x81\x80\x00\x02\x00\x00\x00\x00\x00\x00\x01a\x00" + a + "\x01b\x00" + a, "", false},
		{"an update", "\x00\x07\x28\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00" + a, "", false},
		{"short", "\x00\x07\x81", "", false},
		{"nothing", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m message
			if ok := m.parse([]byte(tt.b)); ok != tt.ok || ok && string(m.name) != tt.want {
				t.Errorf("parse() = %q, %v; want %q, %v", m.name, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	addrs := []string{"192.0.2.1", "2001:db8::1", "192.0.2.2"}
	var m message
	if !m.parse(packed(t, 7, "www.example", true, addrs...)) || m.id != 7 || !m.response {
		t.Fatalf("parse() = %+v; want an answer", m)
	}
	var got []string
	for _, a := range m.addrs[:m.naddrs] {
		got = append(got, a.String())
	}
	if !slices.Equal(got, addrs) {
		t.Errorf("addresses %v; want %v", got, addrs)
	}
	if m.parse(packed(t, 7, "www.example", true, slices.Repeat(addrs[:1], 40)...)); m.naddrs != maxAddrs {
		t.Errorf("%d addresses of 40; want %d", m.naddrs, maxAddrs)
	}
}

// hostile returns messages of 64 kB that are dear for a decoder that follows them.
func hostile() map[string][]byte {
	const size = 65535
	fill := func(b []byte, unit string) []byte {
		for len(b)+len(unit) <= size {
			b = append(b, unit...)
		}
		return b
	}
	many := []byte("\x00\x07\x81\x80\x00\x01\xff\xff\x00\x00\x00\x00")
	long := append(slices.Clone(many), strings.Repeat("\x03abc", 60)+"\x00\x00\x01\x00\x01"...)
	chain := append(slices.Clone(many), "\x01a\x00\x00\x01\x00\x01"...)
	for len(chain)+14 < size { // each points to the one before
		at := len(chain)
		to := max(12, at-2)
		if to > 0x3fff {
			to = 0x3ffe
		}
		chain = binary.BigEndian.AppendUint16(chain, 0xc000|uint16(to))
	}
	return map[string][]byte{
		"3,700 pointers to a name of 240 bytes": fill(long, "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04\x01\x02\x03\x04"),
		"65,535 records of the root":            fill(slices.Clone(many), "\x00"),
		"a chain of pointers":                   chain,
		"one name of one-byte labels":           fill(slices.Clone(many), "\x01a"),
		"no addresses":                          fill(long, "\x00\x00\x10\x00\x01\x00\x00\x00\x01\x00\x00"),
	}
}

// TestHostileMessagesAreCheap: what one costs does not depend on its size. Time
// is printed and not judged; "make bench-capture" prints it too.
func TestHostileMessagesAreCheap(t *testing.T) {
	for name, b := range hostile() {
		t.Run(name, func(t *testing.T) {
			m := message{name: make([]byte, 0, maxName+1)}
			if n := testing.AllocsPerRun(100, func() { m.parse(b) }); n != 0 {
				t.Errorf("parse() makes %v allocations; want 0", n)
			}
			if cap(m.name) > maxName+1 { // a dot may stand at its end
				t.Errorf("parse() keeps %d bytes of a name; want at most %d", cap(m.name), maxName)
			}
			start := time.Now()
			for range 100 {
				m.parse(b)
			}
			t.Logf("%d bytes: %v", len(b), time.Since(start)/100)
		})
	}
}

// TestAgreesWithAnotherDecoder mutates messages: where the other one reads a
// question, ours reads the same.
func TestAgreesWithAnotherDecoder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	base := packed(t, 7, "www.example.test", true, "192.0.2.1", "2001:db8::1")
	both := 0
	for range 200_000 {
		b := slices.Clone(base)
		for range random.IntN(4) {
			b[random.IntN(len(b))] = byte(random.IntN(256))
		}
		if random.IntN(2) == 0 {
			b = b[:random.IntN(len(b)+1)]
		}
		var m message
		ours := m.parse(b)
		var p dnsmessage.Parser
		if _, err := p.Start(b); err != nil {
			continue
		}
		q, err := p.Question()
		if err != nil || !ours {
			continue
		}
		both++
		want := make([]byte, 0, maxName)
		theirs := strings.TrimSuffix(q.Name.String(), ".")
		for i := range len(theirs) {
			if c := theirs[i]; c == '.' {
				want = append(want, c)
			} else {
				want = append(want, nameByte(c))
			}
		}
		// A dot inside of a label looks like one between labels to the other one.
		if got := string(m.name); len(got) != len(want) || strings.ReplaceAll(got, ".", "?") != strings.ReplaceAll(string(want), ".", "?") {
			t.Fatalf("parse(%x) = %q; want %q", b, got, want)
		}
	}
	if both < 10_000 {
		t.Errorf("both read %d messages; want more, to compare", both)
	}
}

func FuzzDNS(f *testing.F) {
	f.Add(packed(f, 7, "www.example.test", true, "192.0.2.1"))
	for _, b := range hostile() {
		f.Add(b[:512])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m message
		if !m.parse(b) {
			return
		}
		if len(m.name) > maxName || m.naddrs > maxAddrs || m.naddrs*10 > len(b) {
			t.Errorf("parse() = a name of %d bytes and %d addresses from %d bytes", len(m.name), m.naddrs, len(b))
		}
		for _, c := range m.name {
			if c <= ' ' || c > '~' || c >= 'A' && c <= 'Z' {
				t.Errorf("parse() gives byte %#x in a name", c)
			}
		}
	})
}

func BenchmarkDNS(b *testing.B) {
	msg := packed(b, 7, "www.example.test", true, "192.0.2.1", "192.0.2.2", "192.0.2.3")
	var m message
	b.ReportAllocs()
	for b.Loop() {
		m.parse(msg)
	}
}
