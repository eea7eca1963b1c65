package spool

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The crash test drives the real spool over a file system that loses power, with
// a gateway that acknowledges now and then, and checks after each crash that:
//
//   - the spool opens;
//   - a record whose Sync returned and that is not acked is there, with its
//     content, or in a gap;
//   - nothing is handed out before its Sync;
//   - no number stands for two contents;
//   - what the cursor on disk says is acked does not come again.

// crashes returns how many power losses a test is to survive.
func crashes(t *testing.T, usual int) int {
	if v := os.Getenv("DISCREET_CRASHES"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("DISCREET_CRASHES = %q; want a number", v)
		}
		return n
	}
	if testing.Short() {
		return usual / 10
	}
	return usual
}

const livesPerSeed = 50

// variant is a spool or a file system that is broken on purpose; the zero one is
// sound.
type variant struct {
	name     string
	fs       func(*memFS, *rand.Rand)
	newEpoch func(*rand.Rand) Epoch
}

func isCursor(name string) bool  { return strings.HasPrefix(name, "cursor") }
func isSegment(name string) bool { return strings.HasSuffix(name, segmentSuffix) }

var brokenVariants = []variant{
	{name: "segments are not synced", fs: func(m *memFS, _ *rand.Rand) {
		m.lie = func(op, name string) bool { return op == "sync" && isSegment(name) }
	}},
	{name: "one sync in twenty lies", fs: func(m *memFS, r *rand.Rand) {
		m.lie = func(op, name string) bool { return op == "sync" && r.IntN(20) == 0 }
	}},
	{name: "the directory is not synced", fs: func(m *memFS, _ *rand.Rand) {
		m.lie = func(op, _ string) bool { return op == "syncdir" }
	}},
	{name: "the parent is not synced", fs: func(m *memFS, _ *rand.Rand) {
		m.lie = func(op, _ string) bool { return op == "syncparent" }
	}},
	{name: "the cursor is not synced", fs: func(m *memFS, _ *rand.Rand) {
		m.lie = func(op, name string) bool { return op == "sync" && isCursor(name) }
	}},
	{name: "the cursor is ahead", fs: func(m *memFS, _ *rand.Rand) {
		m.change = func(name string, b []byte) []byte {
			gen, list, ok := decodeCursor(b)
			if !isCursor(name) || !ok {
				return b
			}
			for i := range list {
				list[i].freed++
			}
			return encodeCursor(gen, list)
		}
	}},
	{name: "an old segment is appended to", fs: func(m *memFS, _ *rand.Rand) {
		m.create = func(d *memDir, name string) *memFile {
			if !isSegment(name) {
				return nil
			}
			for _, f := range d.names {
				if isSegment(f.name) {
					return f
				}
			}
			return nil
		}
	}},
	{name: "one epoch for all", newEpoch: func(*rand.Rand) Epoch { return Epoch{1} }},
}

func TestCrash(t *testing.T) {
	n := crashes(t, 20_000)
	total := simStats{}
	for seed := 0; total.crashes < n; seed++ {
		if err := runLives(variant{}, uint64(seed), livesPerSeed, &total); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	t.Logf("%d crashes, %d kills, %d clean stops; %d records, %d acked, %d in overflow gaps",
		total.crashes, total.kills, total.cleans, total.records, total.acked, total.lost)
	if total.lost == 0 || total.kills == 0 || total.cleans == 0 || total.acked == 0 {
		t.Errorf("the lives did not meet everything: %+v", total)
	}
}

func TestCrashCatchesBrokenVariants(t *testing.T) {
	for _, v := range brokenVariants {
		t.Run(v.name, func(t *testing.T) {
			caught, seeds := 0, 40
			var first error
			for seed := range seeds {
				if err := runLives(v, uint64(seed), livesPerSeed, &simStats{}); err != nil {
					caught++
					if first == nil {
						first = err
					}
				}
			}
			t.Logf("caught in %d of %d seeds, first: %v", caught, seeds, first)
			if caught == 0 {
				t.Errorf("seeds that catch %q = 0; want some", v.name)
			}
		})
	}
}
