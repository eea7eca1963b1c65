package domain

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

const (
	v1 = 1
	v2 = 0x6b3343cf
)

// TestKeys compares with RFC 9001 A.1 and RFC 9369 A.1.
func TestKeys(t *testing.T) {
	dcid, _ := hex.DecodeString("8394c8f03e515708")
	tests := []struct {
		version       uint32
		key, iv, hide string
	}{
		{v1, "1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"},
		{v2, "8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"},
	}
	for _, tt := range tests {
		d, _ := dialectOf(tt.version)
		o, err := newOpener(d, dcid)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(o.iv[:]); got != tt.iv {
			t.Errorf("version %#x: iv %s; want %s", tt.version, got, tt.iv)
		}
		// What the ciphers do to zeros tells their keys.
		var got, want [16]byte
		o.mask.Encrypt(got[:], make([]byte, 16))
		blockOf(t, tt.hide).Encrypt(want[:], make([]byte, 16))
		if got != want {
			t.Errorf("version %#x: the key of the header is another", tt.version)
		}
		aead, err := cipher.NewGCM(blockOf(t, tt.key))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(o.aead.Seal(nil, make([]byte, 12), []byte("x"), nil), aead.Seal(nil, make([]byte, 12), []byte("x"), nil)) {
			t.Errorf("version %#x: the key is another", tt.version)
		}
	}
}

func blockOf(t *testing.T, key string) cipher.Block {
	t.Helper()
	b, err := hex.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(b)
	if err != nil {
		t.Fatal(err)
	}
	return block
}

func varint(n int) []byte {
	switch {
	case n < 64:
		return []byte{byte(n)}
	case n < 1<<14:
		return binary.BigEndian.AppendUint16(nil, uint16(n)|0x4000)
	}
	return binary.BigEndian.AppendUint32(nil, uint32(n)|0x80000000)
}

func cryptoFrame(at int, b []byte) []byte {
	return slices.Concat([]byte{6}, varint(at), varint(len(b)), b)
}

// first is an Initial as a client sends it.
type first struct {
	version    uint32
	keys       string // the connection id that the keys are from
	dcid, scid string
	token      string
	pn         uint32
	frames     []byte
	pad        int
}

// seal makes the packet.
func (f first) seal(t testing.TB) []byte {
	t.Helper()
	d, ok := dialectOf(f.version)
	if !ok {
		t.Fatalf("no version %#x", f.version)
	}
	o, err := newOpener(d, []byte(f.keys))
	if err != nil {
		t.Fatal(err)
	}
	plain := append(slices.Clone(f.frames), make([]byte, max(4, f.pad-len(f.frames)))...)
	head := []byte{0xc0 | d.initial<<4 | 3}
	head = binary.BigEndian.AppendUint32(head, f.version)
	head = append(append(head, byte(len(f.dcid))), f.dcid...)
	head = append(append(head, byte(len(f.scid))), f.scid...)
	head = append(append(head, varint(len(f.token))...), f.token...)
	head = append(head, varint(4+len(plain)+16)...)
	at := len(head)
	head = binary.BigEndian.AppendUint32(head, f.pn)
	nonce := o.iv
	for i := range 4 {
		nonce[8+i] ^= head[at+i]
	}
	packet := o.aead.Seal(slices.Clone(head), nonce[:], plain, head)
	var mask [16]byte
	o.mask.Encrypt(mask[:], packet[at+4:at+20])
	packet[0] ^= mask[0] & 15
	for i := range 4 {
		packet[at+i] ^= mask[1+i]
	}
	return packet
}

// other is a packet with a long header that no Initial is: 0-RTT.
func other(version uint32, dcid string, size int) []byte {
	d, _ := dialectOf(version)
	b := []byte{0xc0 | (d.initial+1)<<4}
	b = binary.BigEndian.AppendUint32(b, version)
	b = append(append(b, byte(len(dcid))), dcid...)
	b = append(b, 0)
	b = append(b, varint(size)...)
	return append(b, make([]byte, size)...)
}

func helloNamed(name, random string) []byte {
	b := made(sni(name), extension(21, string(make([]byte, 1000)))) // as long as real ones
	copy(b[6:38], random)
	return b
}

func TestInitials(t *testing.T) {
	const r1, r2 = "11111111111111111111111111111111", "22222222222222222222222222222222"
	a, b := helloNamed("a.example", r1), helloNamed("b.example", r2)
	at := func(version uint32, from, to int) first {
		return first{version: version, keys: "original", dcid: "original", scid: "client", frames: cryptoFrame(from, a[from:to]), pad: 1100}
	}
	all := at(v1, 0, len(a))
	changed := func(f first, do func(*first)) first { do(&f); return f }
	seal := func(fs ...first) (out [][]byte) {
		for _, f := range fs {
			out = append(out, f.seal(t))
		}
		return out
	}
	broken := all.seal(t)
	broken[len(broken)-1] ^= 1
	tests := []struct {
		name      string
		datagrams [][]byte
		want      []string
	}{
		{"one", seal(all), []string{"a.example"}},
		{"version 2", seal(at(v2, 0, len(a))), []string{"a.example"}},
		{"sent again", seal(all, all, all), []string{"a.example"}},
		{"two parts", seal(at(v1, 0, 500), at(v1, 500, len(a))), []string{"a.example"}},
		{"the second part first", seal(at(v1, 500, len(a)), at(v1, 0, 500)), []string{"a.example"}},
		{"the second part to the id that the server chose", seal(at(v1, 0, 500), changed(at(v1, 500, len(a)), func(f *first) { f.dcid = "chosen" })), []string{"a.example"}},
		{"a part missing", seal(at(v1, 0, 500)), nil},
		{"parts that overlap", seal(at(v1, 0, 700), at(v1, 300, len(a))), []string{"a.example"}},
		{"acknowledgement before it", seal(changed(all, func(f *first) { f.frames = append([]byte("\x02\x05\x00\x01\x00\x00\x00"), f.frames...) })), []string{"a.example"}},
		{"two parts in one packet, mixed", seal(changed(all, func(f *first) {
			f.frames = slices.Concat(cryptoFrame(600, a[600:]), []byte{1}, cryptoFrame(0, a[:600]))
		})), []string{"a.example"}},
		{"a long packet number", seal(changed(all, func(f *first) { f.pn = 0x00ffee01 })), []string{"a.example"}},
		{"a token", seal(changed(all, func(f *first) { f.token = "token" })), []string{"a.example"}},
		{"after a Retry: new keys, the same hello", seal(all, changed(all, func(f *first) { f.keys, f.dcid, f.token = "retried!", "retried!", "token" })), []string{"a.example"}},
		{"0-RTT behind it", [][]byte{append(all.seal(t), other(v1, "original", 40)...)}, []string{"a.example"}},
		{"0-RTT before it", [][]byte{append(other(v1, "original", 40), all.seal(t)...)}, []string{"a.example"}},
		{"two datagrams in one", [][]byte{slices.Concat(at(v1, 0, 500).seal(t), at(v1, 500, len(a)).seal(t))}, []string{"a.example"}},
		{"garbage behind it", [][]byte{append(all.seal(t), "garbage"...)}, []string{"a.example"}},
		{"another connection of the same socket", seal(all, first{version: v1, keys: "another1", dcid: "another1", frames: cryptoFrame(0, b), pad: 1100}), []string{"a.example", "b.example"}},
		{"another one with the same empty id", seal(
			changed(all, func(f *first) { f.scid = "" }),
			first{version: v1, keys: "another1", dcid: "another1", frames: cryptoFrame(0, b), pad: 1100}), []string{"a.example", "b.example"}},
		{"another one after a part, with the same empty id", seal(
			changed(at(v1, 500, len(a)), func(f *first) { f.scid = "" }),
			first{version: v1, keys: "another1", dcid: "another1", frames: cryptoFrame(0, b[:600]), pad: 1100}), nil},
		{"the other version after a negotiation", seal(all, first{version: v2, keys: "original", dcid: "original", scid: "client", frames: cryptoFrame(0, b), pad: 1100}), []string{"a.example"}},
		{"the other version after a negotiation, with an empty id", seal(
			changed(all, func(f *first) { f.scid = "" }),
			first{version: v2, keys: "original", dcid: "original", frames: cryptoFrame(0, b), pad: 1100}), []string{"a.example", "b.example"}},
		{"a version negotiation", [][]byte{[]byte("\xc0\x00\x00\x00\x00\x08original\x06client\x00\x00\x00\x01")}, nil},
		{"an unknown version", [][]byte{append([]byte("\xc0\xff\x00\x00\x1d"), all.seal(t)[5:]...)}, nil},
		{"a bit turned", [][]byte{broken}, nil},
		{"a bit turned, then a good one", [][]byte{broken, all.seal(t)}, []string{"a.example"}},
		{"cut", [][]byte{all.seal(t)[:600]}, nil},
		{"an id of 21 bytes", seal(changed(all, func(f *first) { f.keys, f.dcid = "123456789012345678901", "123456789012345678901" })), nil},
		{"too short for its sample", [][]byte{[]byte("\xc3\x00\x00\x00\x01\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00")}, nil},
		{"a part far away", seal(changed(all, func(f *first) { f.frames = cryptoFrame(1<<20, []byte("x")) })), nil},
		{"a frame that ends the connection", seal(changed(all, func(f *first) { f.frames = append([]byte{0x1c, 0, 0, 0}, f.frames...) })), nil},
		{"acknowledgement without an end", seal(changed(all, func(f *first) { f.frames = []byte("\x02\x05\x00\xbf\xff\xff\xff\x00") })), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDecoder()
			for i, b := range tt.datagrams {
				d.take(&packet{kind: kindInitial, at: int64(i + 1), flow: flow{cookie: 1}, data: b})
			}
			var got []string
			for _, s := range d.flush().sightings {
				got = append(got, s.name)
				if s.source != eventv1.NameSource_NAME_SOURCE_QUIC {
					t.Errorf("source %v; want QUIC", s.source)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("names %q; want %q", got, tt.want)
			}
		})
	}
}

// TestInitialsAreBounded sends many that never become whole.
func TestInitialsAreBounded(t *testing.T) {
	d := newDecoder()
	f := first{version: v1, keys: "original", dcid: "original", frames: cryptoFrame(0, helloNamed("a.example", "")[:500])}
	b := f.seal(t)
	for i := range 3 * maxCalls {
		d.take(&packet{kind: kindInitial, at: int64(i + 1), flow: flow{cookie: uint64(i)}, data: b})
	}
	if len(d.calls) > maxCalls || d.out.lost != 2*maxCalls {
		t.Errorf("keeps %d, lost %d; want %d, %d", len(d.calls), d.out.lost, maxCalls, 2*maxCalls)
	}
	d.sweep(int64(time.Hour))
	if len(d.calls) != 0 {
		t.Errorf("keeps %d after an hour; want none", len(d.calls))
	}
}

func FuzzInitial(f *testing.F) {
	a := helloNamed("a.example", "")
	f.Add(first{version: v1, keys: "original", dcid: "original", frames: cryptoFrame(0, a)}.seal(f), a)
	f.Add(other(v2, "original", 30), []byte("\x02\x05\x00\x01\x00\x00\x00\x06\x00\x01x"))
	f.Fuzz(func(t *testing.T, datagram, frames []byte) {
		d := newDecoder()
		d.take(&packet{kind: kindInitial, at: 1, data: datagram})
		// What is decrypted is as hostile as the rest.
		d.take(&packet{kind: kindInitial, at: 2, data: first{version: v1, keys: "k", dcid: "k", frames: frames}.seal(t)})
		for _, c := range d.calls {
			if len(c.pieces.buf) > maxHello || len(c.pieces.spans) > maxGaps {
				t.Errorf("keeps %d bytes in %d parts", len(c.pieces.buf), len(c.pieces.spans))
			}
		}
	})
}

func BenchmarkInitial(b *testing.B) {
	datagram := first{version: v1, keys: "original", dcid: "original", frames: cryptoFrame(0, helloNamed("a.example", "")), pad: 1100}.seal(b)
	b.ReportAllocs()
	for b.Loop() {
		d := newDecoder()
		d.take(&packet{kind: kindInitial, at: 1, data: datagram})
		if len(d.out.sightings) != 1 {
			b.Fatal("no name")
		}
	}
}
