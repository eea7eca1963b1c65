package domain

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
)

// realHello returns what a real TLS client writes first.
func realHello(t testing.TB, name string) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer b.Close()
	go func() {
		defer a.Close()
		_ = tls.Client(a, &tls.Config{ServerName: name, InsecureSkipVerify: true}).HandshakeContext(context.Background())
	}()
	head := make([]byte, 5)
	if _, err := io.ReadFull(b, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(b, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}

// made returns a ClientHello with these extensions, without a record around it.
func made(extensions ...string) []byte {
	all := strings.Join(extensions, "")
	body := "\x03\x03" + strings.Repeat("r", 32) + "\x00" + "\x00\x02\x13\x01" + "\x01\x00" + string([]byte{byte(len(all) >> 8), byte(len(all))}) + all
	return []byte("\x01\x00" + string([]byte{byte(len(body) >> 8), byte(len(body))}) + body)
}

func extension(kind uint16, body string) string {
	return string([]byte{byte(kind >> 8), byte(kind), byte(len(body) >> 8), byte(len(body))}) + body
}

func sni(name string) string {
	n := len(name)
	return extension(0, string([]byte{byte((n + 3) >> 8), byte(n + 3), 0, byte(n >> 8), byte(n)})+name)
}

// record puts handshake bytes into TLS records of at most that many bytes.
func record(b []byte, most int) []byte {
	var out []byte
	for part := range slices.Chunk(b, most) {
		out = append(out, 22, 3, 1, byte(len(part)>>8), byte(len(part)))
		out = append(out, part...)
	}
	return out
}

func TestParseHello(t *testing.T) {
	ech := extension(0xfe0d, "\x00anything")
	tests := []struct {
		name string
		b    []byte
		want hello
		st   state
	}{
		{"name", made(sni("WWW.Example")), hello{"www.example", false}, whole},
		{"name behind others", made(extension(43, "\x02\x03\x04"), sni("a.example")), hello{"a.example", false}, whole},
		{"dot at the end", made(sni("a.example.")), hello{"a.example", false}, whole},
		{"no name", made(extension(43, "\x02\x03\x04")), hello{}, whole},
		{"no extensions", made(), hello{}, whole},
		{"encrypted one beside", made(sni("cover.example"), ech), hello{"cover.example", true}, whole},
		{"encrypted one before", made(ech, sni("cover.example")), hello{"cover.example", true}, whole},
		{"encrypted one alone", made(ech), hello{"", true}, whole},
		{"blank in the name", made(sni("a b")), hello{}, whole},
		{"zero in the name", made(sni("a\x00b")), hello{}, whole},
		{"name of 254 bytes", made(sni(strings.Repeat("x", 254))), hello{}, whole},
		{"name longer than its extension", made(extension(0, "\x00\x09\x00\x00\x09abc")), hello{}, whole},
		{"extension longer than the message", made("\x00\x00\xff\xff"), hello{}, foreign},
		{"cut", made(sni("a.example"))[:60], hello{}, partial},
		{"another message", []byte{2, 0, 0, 0}, hello{}, foreign},
		{"nothing", nil, hello{}, partial},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, st := parseHello(tt.b)
			if st != tt.st || st == whole && h != tt.want {
				t.Errorf("parseHello() = %v, %v; want %v, %v", h, st, tt.want, tt.st)
			}
		})
	}
}

func TestUnwrap(t *testing.T) {
	msg := made(sni("a.example"))
	tests := []struct {
		name string
		b    []byte
		st   state
	}{
		{"one record", record(msg, 1<<14), whole},
		{"a record for each byte", record(msg, 1), whole},
		{"more behind it", append(record(msg, 1<<14), "\x14\x03\x03"...), whole},
		{"cut", record(msg, 1<<14)[:50], partial},
		{"head cut", record(msg, 1<<14)[:3], partial},
		{"nothing", nil, partial},
		{"plain text", []byte("GET / HTTP/1.1"), foreign},
		{"SSL 2", []byte("\x80\x2e\x01\x00\x02"), foreign},
		{"an empty record", []byte("\x16\x03\x01\x00\x00"), foreign},
		{"an alert", []byte("\x15\x03\x01\x00\x02\x01\x00"), foreign},
		{"a ServerHello", []byte("\x16\x03\x01\x00\x04\x02\x00\x00\x00"), foreign},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, st := unwrap(nil, tt.b)
			if st != tt.st || st == whole && string(got) != string(msg) {
				t.Errorf("unwrap() = %d bytes, %v; want %d, %v", len(got), st, len(msg), tt.st)
			}
		})
	}
}

func FuzzHello(f *testing.F) {
	f.Add(realHello(f, "www.example.test"))
	f.Add(record(made(sni("a.example"), extension(0xfe0d, "x")), 20))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, st := unwrap(nil, b)
		if len(out) > len(b) {
			t.Errorf("unwrap() = %d bytes of %d", len(out), len(b))
		}
		if st != whole {
			return
		}
		h, _ := parseHello(out)
		if len(h.name) > maxName || strings.ContainsFunc(h.name, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("parseHello() = %q; want a name in print", h.name)
		}
	})
}

func FuzzPieces(f *testing.F) {
	f.Add([]byte{0, 3, 10, 3, 3, 7})
	f.Add([]byte{5, 1, 3, 1, 1, 1, 0, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		// Each two bytes are a part: where it begins, and how long it is.
		text := make([]byte, 600)
		for i := range text {
			text[i] = byte(i * 7)
		}
		var p pieces
		var there [600]bool
		for ; len(b) >= 2; b = b[2:] {
			at, end := int(b[0]), int(b[0])+int(b[1])
			full := len(p.spans) >= maxGaps
			p.put(at, text[at:end])
			if full {
				return
			}
			for i := at; i < end; i++ {
				there[i] = true
			}
		}
		want := slices.Index(there[:], false)
		if got := p.front(); string(got) != string(text[:want]) {
			t.Errorf("front() has %d bytes; want %d", len(got), want)
		}
		for i := 1; i < len(p.spans); i++ {
			if p.spans[i-1].to >= p.spans[i].from {
				t.Errorf("spans %v touch", p.spans)
			}
		}
	})
}

func TestPiecesAreBounded(t *testing.T) {
	var p pieces
	for i := range 10_000 {
		p.put(2*i, []byte{1})
	}
	p.put(1<<40, []byte{1})
	p.put(-1, []byte{1})
	p.put(maxHello-1, []byte{1, 2, 3})
	if len(p.spans) > maxGaps || len(p.buf) > maxHello {
		t.Errorf("keeps %d parts and %d bytes; want at most %d and %d", len(p.spans), len(p.buf), maxGaps, maxHello)
	}
}

func BenchmarkHello(b *testing.B) {
	msg := realHello(b, "www.example.test")
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = unwrap(buf[:0], msg)
		if h, _ := parseHello(buf); h.name == "" {
			b.Fatal("no name")
		}
	}
}
