package etw

import (
	"encoding/binary"
	"unicode/utf16"
)

// reader takes fields from an event's data. After the first that is not there it
// gives zeros, and short is set.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if r.short || len(r.b) < n {
		r.short = true
		return nil
	}
	x := r.b[:n]
	r.b = r.b[n:]
	return x
}

func (r *reader) word32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) word64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// port takes a port, which comes as on the wire.
func (r *reader) port() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// sid passes a SID over: a revision, how many parts it has, and those.
func (r *reader) sid() {
	if len(r.b) < 8 || r.b[1] > 15 {
		r.short = true
		return
	}
	r.take(8 + 4*int(r.b[1]))
}

// maxText bounds a text, in UTF-16 units: the longest path of Windows.
const maxText = 32768

// text takes a text, which ends at a zero.
func (r *reader) text() string {
	if r.short {
		return ""
	}
	var units []uint16
	for len(r.b) >= 2 && len(units) < maxText {
		u := binary.LittleEndian.Uint16(r.b)
		r.b = r.b[2:]
		if u == 0 {
			return string(utf16.Decode(units))
		}
		if units == nil {
			units = make([]uint16, 0, 64)
		}
		units = append(units, u)
	}
	r.short = true
	return ""
}
