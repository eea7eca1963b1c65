package privacy

import (
	"encoding/binary"
	"math/bits"
)

const (
	seenSlots = 512
	seenBytes = 1024 // of one value; a longer one is looked through each time
)

// seenValue is a value that was looked through of late and found clean: the
// bytes as they were to leave, whoever made them, in one field. It holds good as
// long as no identity is new.
type seenValue struct {
	field *tripField
	age   uint64 // of the tripwire, when it was looked through
	text  []byte
}

// renew makes all values new where the tokens are not those of before.
func (t *tripwire) renew() {
	if s := t.rules.tokens; t.of != s || t.added != s.added {
		t.of, t.added = s, s.added
		t.age++
	}
}

// seen returns the place of a value, and whether that very value was found
// clean there.
func (t *tripwire) seen(f *tripField, v []byte) (*seenValue, bool) {
	s := &t.found[(hintOf(v)+f.salt)>>(64-bitsOfSeen)]
	return s, s.age == t.age && s.field == f && string(s.text) == string(v)
}

const bitsOfSeen = 9 // seenSlots is 2 to that

// keep notes that v was found clean.
func (t *tripwire) keep(s *seenValue, f *tripField, v []byte) {
	if len(v) <= seenBytes {
		s.field, s.age, s.text = f, t.age, append(s.text[:0], v...)
	}
}

// numberEnd returns where the number ends that begins at b[i], and 0 where it
// does not end.
func numberEnd(b []byte, i int) int {
	if len(b)-i >= 8 {
		if ends := ^binary.LittleEndian.Uint64(b[i:]) & highBits; ends != 0 {
			return i + bits.TrailingZeros64(ends)/8 + 1
		}
	}
	for last := min(len(b), i+binary.MaxVarintLen64); i < last; i++ {
		if b[i] < 0x80 {
			return i + 1
		}
	}
	return 0
}
