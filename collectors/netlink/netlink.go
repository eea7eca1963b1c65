// Package netlink speaks the framing of Linux's netlink sockets (RFC 3549) for
// the collectors that listen to the kernel: messages, attributes, and a socket
// that waits without a timer. What stands in a message is the work of the
// collector that asked for it.
package netlink

import "encoding/binary"

// The sizes of a message's header and of an attribute's.
const (
	HeaderSize = 16
	attrSize   = 4
)

// Message types that every family shares.
const (
	TypeError = 2
	TypeDone  = 3
)

// Message is one netlink message. Data points into the buffer that was read.
type Message struct {
	Type  uint16
	Flags uint16
	Seq   uint32
	Data  []byte
}

// Next cuts the first message off b. It reports false at the end and where b
// is cut short or lies about its length.
func Next(b []byte) (m Message, rest []byte, ok bool) {
	if len(b) < HeaderSize {
		return Message{}, nil, false
	}
	size := binary.NativeEndian.Uint32(b)
	if size < HeaderSize || uint64(size) > uint64(len(b)) {
		return Message{}, nil, false
	}
	m = Message{
		Type:  binary.NativeEndian.Uint16(b[4:]),
		Flags: binary.NativeEndian.Uint16(b[6:]),
		Seq:   binary.NativeEndian.Uint32(b[8:]),
		Data:  b[HeaderSize:size],
	}
	return m, b[min(align(int(size)), len(b)):], true
}

// NextAttr cuts the first attribute off b. It reports false at the end and
// where b is cut short or lies about its length.
func NextAttr(b []byte) (kind uint16, data, rest []byte, ok bool) {
	if len(b) < attrSize {
		return 0, nil, nil, false
	}
	size := int(binary.NativeEndian.Uint16(b))
	if size < attrSize || size > len(b) {
		return 0, nil, nil, false
	}
	kind = binary.NativeEndian.Uint16(b[2:])
	return kind, b[attrSize:size], b[min(align(size), len(b)):], true
}

// AppendHeader appends the header of a message with a payload of size bytes.
func AppendHeader(b []byte, kind, flags uint16, seq uint32, size int) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(HeaderSize+size))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	return binary.NativeEndian.AppendUint32(b, 0) // the kernel fills in our port
}

// ErrorNumber returns the error number of an error message's data; 0 is an
// acknowledgement, or data that is cut short.
func ErrorNumber(data []byte) uint32 {
	if len(data) < 4 {
		return 0
	}
	return -binary.NativeEndian.Uint32(data)
}

func align(n int) int { return (n + 3) &^ 3 }
