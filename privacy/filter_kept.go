package privacy

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// What is kept of the small messages: few programs and people make nearly all
// events of a device, and looking up one message costs less than asking a rule
// for each of its fields.
const (
	keptSlots = 256  // a power of two
	keptBytes = 1024 // of raw values; a longer message is not kept
)

// kept holds what the rules made of whole messages of late. It holds clear
// values, as the memos of the rules do; it is bounded and goes with its Filter.
type kept struct {
	seed    maphash.Seed
	learned int // of the rules, when the slots were filled
	slots   [keptSlots]keptSlot
	raw     []byte // the key at hand
}

type keptSlot struct{ raw, out []byte }

// slot returns the place of the key in k.raw. What was made before the rules
// learned another name is forgotten first: it was made without that name.
func (k *kept) slot(learned int) *keptSlot {
	if k.learned != learned {
		k.learned = learned
		for i := range k.slots {
			k.slots[i].raw = k.slots[i].raw[:0]
		}
	}
	return &k.slots[maphash.Bytes(k.seed, k.raw)%keptSlots]
}

// get returns what was made of the values in k.raw.
func (k *kept) get(learned int) (out []byte, ok bool) {
	s := k.slot(learned)
	return s.out, len(s.raw) > 0 && bytes.Equal(s.raw, k.raw)
}

// put keeps what was made of them now.
func (k *kept) put(learned int, out []byte) {
	if len(k.raw) <= keptBytes {
		s := k.slot(learned)
		s.raw, s.out = append(s.raw[:0], k.raw...), append(s.out[:0], out...)
	}
	if clear(k.raw); cap(k.raw) > 16*keptBytes {
		k.raw = nil
	}
}

// keyText appends a value of a key so that no two keys are alike.
func keyText[T ~string | ~[]byte](b []byte, v T) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
	return append(b, v...)
}
