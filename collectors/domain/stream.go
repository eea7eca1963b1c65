package domain

import "encoding/binary"

// Bounds of DNS over TCP: of a long message, its first bytes are read.
const (
	maxMessage = 4096
	maxLate    = 4 // parts that came too early and are held
)

// stream takes the messages out of one direction of a TCP connection: each
// stands behind its length in two bytes (RFC 1035 4.2.2).
type stream struct {
	next   uint32 // the sequence number that is expected
	buf    []byte // of the message: its length and what is there of it
	skip   uint32 // bytes of a long message that are not read
	late   []late
	seen   int64
	broken bool // a part never came: what follows cannot be read
}

type late struct {
	seq  uint32
	data []byte
}

// stream takes a part of DNS over TCP.
func (d *decoder) stream(p *packet) {
	key := direction{p.flow, p.kind == kindStreamIn}
	s := d.streams[key]
	if s == nil {
		s = &stream{next: p.seq}
		evict(d, d.streams, maxStreams)
		d.streams[key] = s
	}
	s.seen = p.at
	if s.broken {
		return
	}
	gap := int32(p.seq - s.next)
	if gap > 0 && uint32(gap) <= s.skip { // what is missing would not be read
		s.skip -= uint32(gap)
		s.next, gap = p.seq, 0
	}
	if gap > 0 {
		if !s.hold(p) {
			s.break_(d)
		}
		return
	}
	s.take(p.seq, p.data, func(b []byte) { d.dns(p, b) })
	s.rest(func(b []byte) { d.dns(p, b) })
}

// hold keeps a part that came too early. It reports false where it is too much.
func (s *stream) hold(p *packet) bool {
	if len(s.late) == maxLate {
		return false
	}
	s.late = append(s.late, late{p.seq, append([]byte(nil), p.data[:min(len(p.data), maxMessage)]...)})
	return true
}

func (s *stream) break_(d *decoder) {
	d.out.lost++
	*s = stream{seen: s.seen, broken: true}
}

// rest takes what was held and fits now.
func (s *stream) rest(message func([]byte)) {
	for again := true; again; {
		again = false
		for i, l := range s.late {
			if int32(l.seq-s.next) <= 0 {
				s.late = append(s.late[:i], s.late[i+1:]...)
				s.take(l.seq, l.data, message)
				again = true
				break
			}
		}
	}
}

// take reads a part that begins at or before what is expected.
func (s *stream) take(seq uint32, b []byte, message func([]byte)) {
	old := s.next - seq
	if old >= uint32(len(b)) {
		return // seen already
	}
	b = b[old:]
	s.next += uint32(len(b))
	for len(b) > 0 {
		if s.skip > 0 {
			n := min(s.skip, uint32(len(b)))
			s.skip -= n
			b = b[n:]
			continue
		}
		want := 2
		if len(s.buf) >= 2 {
			want = 2 + min(int(binary.BigEndian.Uint16(s.buf)), maxMessage)
		}
		n := min(want-len(s.buf), len(b))
		s.buf = append(s.buf, b[:n]...)
		b = b[n:]
		if len(s.buf) < 2 {
			continue
		}
		size := int(binary.BigEndian.Uint16(s.buf))
		if len(s.buf) == 2+min(size, maxMessage) {
			if size > 0 {
				message(s.buf[2:])
			}
			s.skip = uint32(max(0, size-maxMessage))
			s.buf = s.buf[:0]
		}
	}
}
