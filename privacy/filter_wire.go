package privacy

import (
	"math/bits"
	"unicode/utf8"
)

// The protobuf encoding of what leaves, by hand: generated code appends field
// after field, and a field that is not written does not exist. Zero values and
// empty messages are left out.
// https://protobuf.dev/programming-guides/encoding/

// The tags of the fields of Event outside of its oneof.
const (
	tagTime   = 1 << 3
	tagBucket = 2 << 3
)

// What one field can hold. The gateway refuses more, so the filter writes no
// more: text is cut at a character, lists at an item, and bytes, which would
// mean something else when cut, are left out.
const (
	maxText  = 4096
	maxItems = 256
)

// appendVarint appends v in groups of seven bits.
func appendVarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// sizeVarint returns how many bytes appendVarint appends.
func sizeVarint(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// zigzag maps small negative numbers to small numbers.
func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

func putUint(b []byte, tag, v uint64) []byte {
	if v == 0 {
		return b
	}
	return putNumber(b, tag, v)
}

// putNumber is the rest of putUint, which is inlined. It is appendVarint once
// more for the short numbers, since events are full of them.
func putNumber(b []byte, tag, v uint64) []byte {
	if tag >= 0x80 { // no field has a number over 2047
		b = append(b, byte(tag)|0x80)
		tag >>= 7
	}
	switch {
	case v < 1<<7:
		return append(b, byte(tag), byte(v))
	case v < 1<<14:
		return append(b, byte(tag), byte(v)|0x80, byte(v>>7))
	case v < 1<<21:
		return append(b, byte(tag), byte(v)|0x80, byte(v>>7)|0x80, byte(v>>14))
	case v < 1<<28:
		return append(b, byte(tag), byte(v)|0x80, byte(v>>7)|0x80, byte(v>>14)|0x80, byte(v>>21))
	}
	b = append(b, byte(tag), byte(v)|0x80, byte(v>>7)|0x80, byte(v>>14)|0x80, byte(v>>21)|0x80)
	return appendVarint(b, v>>28)
}

func putBool(b []byte, tag uint64, v bool) []byte {
	if !v {
		return b
	}
	return append(appendVarint(b, tag), 1)
}

// putText appends a string field. The encoding allows UTF-8 only, and file
// names are any bytes, so what is not UTF-8 becomes U+FFFD.
func putText(b []byte, tag uint64, s string) []byte {
	if s == "" {
		return b
	}
	if !utf8.ValidString(s) {
		s = validText(s, "\ufffd")
	}
	s = cut(s, maxText)
	b = appendVarint(appendVarint(b, tag), uint64(len(s)))
	return append(b, s...)
}

// putBytes appends a field of bytes, which may be given as a string.
func putBytes[T ~string | ~[]byte](b []byte, tag uint64, v T) []byte {
	if len(v) == 0 || len(v) > maxText {
		return b
	}
	b = appendVarint(appendVarint(b, tag), uint64(len(v)))
	return append(b, v...)
}

// sized returns b where its length can be that of a value of its class: a
// digest of another length is none.
func sized(b []byte, least, most int) []byte {
	if len(b) < least || len(b) > most {
		return nil
	}
	return b
}

// bounded returns the items of a list that a field can hold.
func bounded[T any](list []T) []T { return list[:min(len(list), maxItems)] }

// putOpen begins a nested message. Its length is not known yet: one byte is
// held free for it.
func putOpen(b []byte, tag uint64) []byte {
	return append(appendVarint(b, tag), 0)
}

// putClose ends the nested message that putOpen began when b had at bytes, with
// a tag of tagSize bytes. An empty one is taken back.
func putClose(b []byte, at, tagSize int) []byte {
	body := at + tagSize + 1
	n := len(b) - body
	if n == 0 {
		return b[:at]
	}
	if n < 0x80 {
		b[body-1] = byte(n)
		return b
	}
	return putWide(b, body-1, body, n)
}

// putLength puts in the length of what follows the first head bytes.
func putLength(b []byte, head int) []byte { return putWide(b, head, head, len(b)-head) }

// putWide writes n at b[at:], after moving what begins at body to make room.
func putWide(b []byte, at, body, n int) []byte {
	size := sizeVarint(uint64(n))
	for range at + size - body {
		b = append(b, 0)
	}
	copy(b[at+size:], b[body:body+n])
	appendVarint(b[:at], uint64(n))
	return b
}
