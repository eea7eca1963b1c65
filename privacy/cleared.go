package privacy

import "slices"

// Stamp names the policy and the pseudonym key under which an event was
// cleared.
type Stamp struct {
	Digest [32]byte
	Levels string // the lines that Digest is made of
	KeyID  string // the id of the pseudonym key; empty where there is none
}

// Cleared is an event in the form in which it may leave. Only a Filter makes
// one. Its bytes are good until the next Apply of that Filter; Clone keeps them.
type Cleared struct {
	stamp *Stamp
	kind  uint8    // index into the generated table of summaries; 0: not a summary
	wire  []byte   // the encoded event, or in a summary the fields that are keys
	sums  []uint64 // in a summary, the fields that are folded
}

// Stamp returns the policy and key that cleared the event. It is nil only in
// the zero Cleared, which stands for nothing.
func (c Cleared) Stamp() *Stamp { return c.stamp }

// Summary reports whether the event can be merged with others.
func (c Cleared) Summary() bool { return c.kind != 0 }

// MergeKey returns the bytes that are equal in summaries that Merge folds. They
// are already filtered. The caller must not change them.
func (c Cleared) MergeKey() []byte { return c.wire }

// Clone returns a copy that stays good after the next Apply.
func (c Cleared) Clone() Cleared {
	c.wire, c.sums = slices.Clone(c.wire), slices.Clone(c.sums)
	return c
}
