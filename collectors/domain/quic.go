package domain

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
)

// The first packets of a QUIC connection, Initials, are encrypted with keys that
// anybody can make from the connection id in the first of them (RFC 9001 5.2).
// Only a client's are read.

// dialect is what two versions of QUIC have different.
type dialect struct {
	version       uint32
	initial       byte // the type bits of an Initial
	salt          []byte
	key, iv, hide string
}

// dialectOf knows those that are understood: RFC 9001 5.2 and RFC 9369 3.3.
func dialectOf(version uint32) (dialect, bool) {
	switch version {
	case 1:
		return dialect{1, 0, []byte("\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"), "quic key", "quic iv", "quic hp"}, true
	case 0x6b3343cf:
		return dialect{version, 1, []byte("\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9"), "quicv2 key", "quicv2 iv", "quicv2 hp"}, true
	}
	return dialect{}, false
}

// long is a packet with a long header (RFC 9000 17.2).
type long struct {
	dialect
	dcid, scid []byte
	initial    bool
	packet     []byte // from its first byte to its end
	pn         int    // where the packet number stands
}

// maxID is the most bytes of a connection id in the versions that are known.
const maxID = 20

// nextLong takes the first packet off a datagram and returns the rest.
func nextLong(b []byte) (l long, rest []byte, ok bool) {
	r := reader{b: b}
	first := byte(r.number(1))
	version := uint32(r.number(4))
	d, known := dialectOf(version)
	if r.broken || first&0x80 == 0 || !known {
		return l, nil, false
	}
	l.dialect = d
	l.dcid = r.take(r.number(1))
	l.scid = r.take(r.number(1))
	const types, retry = 0x30 >> 4, 3
	kind := first >> 4 & types
	l.initial = kind == d.initial
	if r.broken || len(l.dcid) > maxID || len(l.scid) > maxID || kind == (d.initial+retry)&types {
		return l, nil, false
	}
	if l.initial {
		token := r.varint()
		if token > uint64(len(r.b)) {
			return l, nil, false
		}
		r.skip(int(token))
	}
	size := r.varint()
	if r.broken || size > uint64(len(r.b)) {
		return l, nil, false
	}
	l.pn = len(b) - len(r.b)
	l.packet = b[:l.pn+int(size)]
	return l, b[len(l.packet):], true
}

// opener takes the protection off the Initials of one connection.
type opener struct {
	aead cipher.AEAD
	mask cipher.Block
	iv   [12]byte
	buf  []byte
}

func newOpener(d dialect, dcid []byte) (*opener, error) {
	initial := hmac.New(sha256.New, d.salt) // HKDF-Extract
	initial.Write(dcid)
	client := expander{hmac.New(sha256.New, initial.Sum(nil))}.expand("client in", sha256.Size)
	keys := expander{hmac.New(sha256.New, client)}
	block, err := aes.NewCipher(keys.expand(d.key, 16))
	if err != nil {
		return nil, err
	}
	o := &opener{iv: [12]byte(keys.expand(d.iv, 12))}
	if o.aead, err = cipher.NewGCM(block); err != nil {
		return nil, err
	}
	o.mask, err = aes.NewCipher(keys.expand(d.hide, 16))
	return o, err
}

// expander is HKDF-Expand-Label of TLS 1.3 without a context, for at most one
// block (RFC 8446 7.1, RFC 5869 2.3). The HMAC has the secret, and is set up once
// for all that is made of it: that is most of the cost.
type expander struct{ hash.Hash }

func (e expander) expand(label string, n int) []byte {
	info := make([]byte, 0, 40)
	info = append(info, 0, byte(n), byte(len("tls13 ")+len(label)))
	info = append(append(append(info, "tls13 "...), label...), 0, 1)
	e.Reset()
	e.Write(info)
	return e.Sum(nil)[:n]
}

// open returns what is in an Initial; false: it is none of this connection. The
// bytes are good until the next call.
func (o *opener) open(l *long) ([]byte, bool) {
	const sample = 16
	if len(l.packet) < l.pn+4+sample {
		return nil, false
	}
	var mask [16]byte
	o.mask.Encrypt(mask[:], l.packet[l.pn+4:l.pn+4+sample])
	head := append(o.buf[:0], l.packet[:l.pn+4]...)
	head[0] ^= mask[0] & 0x0f
	n := int(head[0]&3) + 1
	nonce := o.iv
	for i := range n {
		head[l.pn+i] ^= mask[1+i]
		nonce[12-n+i] ^= head[l.pn+i]
	}
	// Numbers of Initials are small: what is cut off them is always zero.
	at := len(head)
	head = append(head, l.packet[l.pn+n:]...)
	o.buf = head
	out, err := o.aead.Open(head[at:at], nonce[:], head[at:], head[:l.pn+n])
	return out, err == nil
}

// cryptoFrames enters the parts of the handshake in an Initial (RFC 9000 12.4,
// 19.6).
func cryptoFrames(p *pieces, b []byte) {
	r := reader{b: b}
	for len(r.b) > 0 {
		switch kind := r.varint(); kind {
		case 0, 1: // padding, ping
		case 2, 3: // acknowledgement, which has no end but its last field
			r.varint()
			r.varint()
			ranges := r.varint()
			r.varint()
			for ; ranges > 0 && !r.broken; ranges-- {
				r.varint()
				r.varint()
			}
			if kind == 3 {
				r.varint()
				r.varint()
				r.varint()
			}
		case 6:
			at, size := r.varint(), r.varint()
			if at > maxHello || size > uint64(len(r.b)) {
				return
			}
			p.put(int(at), r.take(int(size)))
		default: // none that matters, or an end
			return
		}
		if r.broken {
			return
		}
	}
}

// call is one connection whose ClientHello is awaited or was read.
type call struct {
	opener  *opener
	dcid    []byte // that the keys are from, and the version
	version uint32
	pieces  pieces
	random  []byte // of the ClientHello that was read: a repeated one is not told again
	seen    int64
}

// take reads one datagram of the client. It returns a ClientHello once it is
// whole.
func (c *call) take(b []byte) (h hello, done bool) {
	const maxPackets = 8 // in one datagram; real ones have three
	for range maxPackets {
		l, rest, ok := nextLong(b)
		if !ok {
			return hello{}, false
		}
		if l.initial {
			if plain, ok := c.open(&l); ok {
				cryptoFrames(&c.pieces, plain)
				if h, done = c.hello(); done {
					return h, true
				}
			}
		}
		b = rest
	}
	return hello{}, false
}

// open takes the protection off. The keys stay those of the first packet, also
// once the server has chosen another id; a packet that they do not open begins
// another connection, or goes on after a Retry or in another version.
func (c *call) open(l *long) ([]byte, bool) {
	if c.opener != nil {
		if plain, ok := c.opener.open(l); ok {
			return plain, true
		}
		if c.version == l.version && bytes.Equal(c.dcid, l.dcid) {
			return nil, false // garbage
		}
	}
	o, err := newOpener(l.dialect, l.dcid)
	if err != nil {
		return nil, false
	}
	plain, ok := o.open(l)
	if ok {
		c.opener, c.dcid, c.version, c.pieces = o, bytes.Clone(l.dcid), l.version, pieces{}
	}
	return plain, ok
}

func (c *call) hello() (hello, bool) {
	front := c.pieces.front()
	h, st := parseHello(front)
	if st != whole {
		return hello{}, false
	}
	random := front[6:min(38, len(front))]
	if bytes.Equal(random, c.random) {
		return hello{}, false
	}
	c.random = bytes.Clone(random)
	return h, true
}
