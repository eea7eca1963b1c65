package privacy

import "strings"

// What is kept of the small messages: few programs and people make nearly all
// events of a device, and looking up one message costs less than asking a rule
// for each of its fields.
const (
	keptSlots = 256  // of each message
	keptBytes = 1024 // of raw values; a longer message is not kept
)

// kept holds what the rules made of whole messages of late, beside R, the raw
// values of their fields. These are clear, as in the memos of the rules; they
// are bounded and go with their Filter.
type kept[R any] struct {
	learned int // of the rules, when the slots were filled
	slots   [keptSlots]keptSlot[R]
}

type keptSlot[R any] struct {
	raw R
	out []byte
	set bool
}

// slot returns the place of a message with that hash. What was made before the
// rules learned another name is forgotten first: it was made without that name.
func (k *kept[R]) slot(hash uint64, learned int) *keptSlot[R] {
	if k.learned != learned {
		k.learned = learned
		clear(k.slots[:])
	}
	return &k.slots[hash%keptSlots]
}

// put keeps what was made of raw.
func (s *keptSlot[R]) put(raw R, out []byte) {
	s.raw, s.out, s.set = raw, append(s.out[:0], out...), true
}

// own copies a value, so that keeping it keeps nothing around it.
func own[T ~string | ~[]byte](v T) string { return strings.Clone(string(v)) }
