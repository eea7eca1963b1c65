package privacy

import (
	"bytes"
	"math"
)

// fold says how one field of a summary is folded.
type fold struct {
	tag uint64
	op  foldOp
}

type foldOp uint8

const (
	foldSum foldOp = iota
	foldMin        // 0 means not measured
	foldMax
	foldFirst // 0 means none
	foldLast
)

// of returns the fold of a, which came first, and b.
func (op foldOp) of(a, b uint64) uint64 {
	switch op {
	case foldSum:
		if a > math.MaxUint64-b {
			return math.MaxUint64 // stay there, rather than begin again
		}
		return a + b
	case foldMin:
		if a == 0 || b != 0 && b < a {
			return b
		}
	case foldMax:
		return max(a, b)
	case foldFirst:
		if a == 0 {
			return b
		}
	case foldLast:
		if b != 0 {
			return b
		}
	}
	return a
}

// Merge folds from into into, and reports whether it could: both are summaries
// of one kind, under one stamp, with equal keys. into came first. It writes to
// the memory of into, so into must be a Clone or nothing else may need it.
func Merge(into *Cleared, from Cleared) bool {
	if !into.Summary() || into.kind != from.kind || !bytes.Equal(into.wire, from.wire) || !sameStamp(into.stamp, from.stamp) {
		return false
	}
	for i, f := range kinds[into.kind].folds {
		into.sums[i] = f.op.of(into.sums[i], from.sums[i])
	}
	return true
}

// sameStamp compares what was in force, not which Filter it was.
func sameStamp(a, b *Stamp) bool {
	return a == b || a.Digest == b.Digest && a.KeyID == b.KeyID
}

// putSums appends the folded fields of a summary.
func putSums(b []byte, folds []fold, sums []uint64) []byte {
	for i, f := range folds {
		b = putUint(b, f.tag, sums[i])
	}
	return b
}

// sizeSums returns how many bytes putSums appends.
func sizeSums(folds []fold, sums []uint64) int {
	n := 0
	for i, f := range folds {
		if sums[i] != 0 {
			n += sizeVarint(f.tag) + sizeVarint(sums[i])
		}
	}
	return n
}
