package domain

import "encoding/binary"

// maxHello bounds what is kept of a ClientHello. Real ones have less than 4 KiB.
const maxHello = 16 << 10

// hello is what is read of a ClientHello.
type hello struct {
	name   string // "": it names nobody
	hidden bool   // it has a second, encrypted ClientHello: the name may be a cover
}

// How a look at the beginning of a stream ends.
type state uint8

const (
	partial state = iota // it may become one: more is needed
	whole
	foreign // it is none
)

// unwrap takes the handshake bytes out of TLS records (RFC 8446 5.1). It stops
// where the first message is whole.
func unwrap(dst, b []byte) ([]byte, state) {
	const handshake, head = 22, 5
	for {
		if n := len(dst); n >= 4 && n >= 4+helloBytes(dst) {
			return dst, whole
		}
		if len(b) < head {
			if len(b) > 0 && b[0] != handshake || len(b) > 1 && b[1] != 3 {
				return dst, foreign
			}
			return dst, partial
		}
		if b[0] != handshake || b[1] != 3 {
			return dst, foreign
		}
		size := int(binary.BigEndian.Uint16(b[3:]))
		if size == 0 {
			return dst, foreign
		}
		b = b[head:]
		take := min(size, len(b))
		dst = append(dst, b[:take]...)
		if len(dst) > 0 && dst[0] != clientHello {
			return dst, foreign
		}
		b = b[take:]
	}
}

const clientHello = 1

func helloBytes(b []byte) int { return int(b[1])<<16 | int(b[2])<<8 | int(b[3]) }

// parseHello reads a ClientHello (RFC 8446 4.1.2), as far as it is there.
func parseHello(b []byte) (h hello, st state) {
	if len(b) > 0 && b[0] != clientHello {
		return h, foreign
	}
	if len(b) < 4 || len(b) < 4+helloBytes(b) {
		return h, partial
	}
	r := reader{b: b[4 : 4+helloBytes(b)]}
	r.skip(2 + 32) // version, random
	r.skip(r.number(1))
	r.skip(r.number(2))
	r.skip(r.number(1))
	extensions := reader{b: r.take(r.number(2))}
	if r.broken {
		return h, foreign
	}
	for len(extensions.b) > 0 {
		kind := extensions.number(2)
		body := extensions.take(extensions.number(2))
		if extensions.broken {
			return h, foreign
		}
		switch kind {
		case 0:
			h.name = serverName(body)
		case 0xfe0d: // encrypted_client_hello (RFC 9849); 1 is the inner one, which is never on the wire
			h.hidden = true
		}
	}
	return h, whole
}

// serverName returns the host in the extension server_name (RFC 6066 3), in
// lower case; "" where there is none that could be one.
func serverName(b []byte) string {
	list := reader{b: b}
	list = reader{b: list.take(list.number(2))}
	kind := list.number(1)
	name := list.take(list.number(2))
	if list.broken || kind != 0 || len(name) == 0 || len(name) > maxName {
		return ""
	}
	out := make([]byte, len(name))
	for i, x := range name {
		if x != '.' {
			x = nameByte(x)
		}
		if x == '?' {
			return ""
		}
		out[i] = x
	}
	if n := len(out) - 1; out[n] == '.' {
		out = out[:n]
	}
	return string(out)
}

// reader takes bytes from the front. Once too few are left it is broken, and
// gives none.
type reader struct {
	b      []byte
	broken bool
}

func (r *reader) take(n int) []byte {
	if r.broken || n > len(r.b) {
		r.broken, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) skip(n int) { r.take(n) }

// number reads an unsigned number of that many bytes.
func (r *reader) number(bytes int) (n int) {
	for _, x := range r.take(bytes) {
		n = n<<8 | int(x)
	}
	return n
}

// varint reads a number as QUIC writes it (RFC 9000 16).
func (r *reader) varint() uint64 {
	if r.broken || len(r.b) == 0 {
		r.broken = true
		return 0
	}
	b := r.take(1 << (r.b[0] >> 6))
	if len(b) == 0 {
		return 0
	}
	n := uint64(b[0] & 0x3f)
	for _, x := range b[1:] {
		n = n<<8 | uint64(x)
	}
	return n
}
