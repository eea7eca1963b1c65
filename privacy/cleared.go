package privacy

import (
	"fmt"
	"io"
	"slices"
)

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
	kind  uint8    // index into kinds; 0: none
	head  int32    // in a summary, how much of wire stands before its message; else 0
	time  int64    // milliseconds since 1970 UTC
	wire  []byte   // the encoded event; of a summary without the length of its message and without the folded fields
	sums  []uint64 // in a summary, the folded fields, in the schema's order
}

// Stamp returns the policy and key that cleared the event. It is nil only in
// the zero Cleared, which stands for nothing.
func (c Cleared) Stamp() *Stamp { return c.stamp }

// Summary reports whether the event can be merged with others.
func (c Cleared) Summary() bool { return c.head != 0 }

// Kind returns the name of the event's field in event.v1.Event, such as
// "process_start".
func (c Cleared) Kind() string { return kinds[c.kind].name }

// KindNumber returns the number of that field, and 0 in the zero Cleared.
func (c Cleared) KindNumber() int32 { return kinds[c.kind].number }

// TimeUnixMs returns the event's time as it leaves.
func (c Cleared) TimeUnixMs() int64 { return c.time }

// MergeKey returns the bytes that are equal in summaries of one stamp that Merge
// folds, and in no others. They are already filtered. The caller must not change
// them.
func (c Cleared) MergeKey() []byte { return c.wire }

// Clone returns a copy that stays good after the next Apply.
func (c Cleared) Clone() Cleared {
	c.wire, c.sums = slices.Clone(c.wire), slices.Clone(c.sums)
	return c
}

// AppendTo appends the encoded event to b.
func (c Cleared) AppendTo(b []byte) []byte {
	if !c.Summary() {
		return append(b, c.wire...)
	}
	folds := kinds[c.kind].folds
	keys := c.wire[c.head:]
	b = append(b, c.wire[:c.head]...)
	b = appendVarint(b, uint64(len(keys)+sizeSums(folds, c.sums)))
	return putSums(append(b, keys...), folds, c.sums)
}

// Size returns how many bytes AppendTo appends.
func (c Cleared) Size() int {
	if !c.Summary() {
		return len(c.wire)
	}
	sums := sizeSums(kinds[c.kind].folds, c.sums)
	return len(c.wire) + sizeVarint(uint64(len(c.wire)-int(c.head)+sums)) + sums
}

// Format writes a fixed text, whatever the verb: what may leave may still name
// people, and a log is not where it leaves to.
func (c Cleared) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redactedText) }
