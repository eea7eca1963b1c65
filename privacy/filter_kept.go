package privacy

import "strings"

// What is kept of the small messages and of single texts: few programs, people
// and places make nearly all events of a device, and looking up one message
// costs less than asking a rule for each of its fields.
const (
	keptSlots = 256  // of each message, and of all texts
	keptBytes = 1024 // of raw values; a longer message is not kept
)

// kept holds what the rules made of whole messages of late, beside R, the raw
// values of their fields. These are clear, as in the memos of the rules; they
// are bounded and go with their Filter.
type kept[R any] struct {
	epoch uint64 // of the rules, when the slots were filled
	slots [keptSlots]keptSlot[R]
}

type keptSlot[R any] struct {
	raw R
	out []byte
	set bool
}

// slot returns the place of a message with that hint. What was made before the
// rules learned another name is forgotten first: it was made without that name.
func (k *kept[R]) slot(hint, epoch uint64) *keptSlot[R] {
	if k.epoch != epoch {
		k.epoch = epoch
		clear(k.slots[:])
	}
	return &k.slots[hint%keptSlots]
}

// put keeps what was made of raw.
func (s *keptSlot[R]) put(raw R, out []byte) {
	s.raw, s.out, s.set = raw, append(s.out[:0], out...), true
}

// rawText is the raw value of a field of class key.
type rawText struct {
	key  Key
	text string
}

// putRuled appends the text field that rule makes of v, or made of it before.
// The level of a key is that of the Filter. A rule that learns is not for here:
// it must see every value.
func (f *Filter) putRuled(b []byte, tag uint64, key Key, v string, rule func(*rules, Level, string) string) []byte {
	h := hint(v) + uint64(key)
	k := f.texts.slot(h>>8, f.rules.epoch)
	if k.set && k.raw.key == key && k.raw.text == v {
		return putKept(b, tag, k.out)
	}
	at := len(b)
	b = putText(b, tag, rule(f.rules, f.levels[key], v))
	if len(v) <= keptBytes {
		k = f.texts.slot(h>>8, f.rules.epoch)
		k.put(rawText{key, own(v)}, untagged(b[at:], tag))
	}
	return b
}

// putKept appends a field whose length and value were kept. What was empty is
// left out.
func putKept(b []byte, tag uint64, out []byte) []byte {
	if len(out) == 0 {
		return b
	}
	return append(appendVarint(b, tag), out...)
}

// untagged returns an encoded field without its tag, and nothing of nothing.
func untagged(b []byte, tag uint64) []byte { return b[min(sizeVarint(tag), len(b)):] }

// own copies a value, so that keeping it keeps nothing around it.
func own[T ~string | ~[]byte](v T) string { return strings.Clone(string(v)) }
