package spool

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// recordOf returns what record n of these tests holds.
func recordOf(n int) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("record %d;", n)), 1+n%40)
}

// written makes a spool of n records in several segments and returns its files.
func written(t testing.TB, n int, clean bool) map[string][]byte {
	t.Helper()
	m := newTestFS()
	s := mustOpen(t, Options{Dir: testDir, FS: m, SegmentBytes: 8 << 10})
	for i := range n {
		if err := s.append(stampA, recordOf(i)); err != nil {
			t.Fatal(err)
		}
	}
	mustSync(t, s)
	if clean {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string][]byte{}
	for name, f := range m.dirs[testDir].names {
		files[name] = slices.Clone(f.data)
	}
	return files
}

// reopened opens a spool with these files and reads everything.
func reopened(t testing.TB, files map[string][]byte) (*Spool, []Item) {
	t.Helper()
	m := newTestFS()
	m.Mkdir(testDir)
	d := m.dirs[testDir]
	d.modified = time.Now()
	for name, b := range files {
		d.names[name] = &memFile{dir: d, name: name, data: slices.Clone(b)}
	}
	s := mustOpen(t, Options{Dir: testDir, FS: m, SegmentBytes: 8 << 10})
	mustSync(t, s)
	items := drain(t, s, 100, 1<<20)
	if err := s.Close(); err != nil {
		t.Fatalf("Close after damage = %v; want nil", err)
	}
	return s, items
}

// tally counts what came back of records 1 to n, and what gaps stand for. It
// fails on a record that is not what was written.
func tally(t testing.TB, items []Item, epoch Epoch, n int) (kept, told int, vague bool) {
	t.Helper()
	seen := make([]bool, n+1)
	for _, it := range items {
		if g := it.Gap; g != nil {
			vague = vague || g.Reason == eventv1.LossReason_LOSS_REASON_DAMAGE && g.First == 0
			for i := g.First; g.Lost == epoch && i != 0 && i <= g.Last; i++ {
				if seen[i] {
					t.Fatalf("record %d came back and is in a gap", i)
				}
				seen[i] = true
				told++
			}
			continue
		}
		for i, rec := range it.Records {
			seq := int(it.First) + i
			if it.Epoch != epoch || seq > n || seen[seq] || !bytes.Equal(rec, recordOf(seq-1)) {
				t.Fatalf("record %d came back twice, or with other bytes", seq)
			}
			seen[seq] = true
			kept++
		}
	}
	return kept, told, vague
}

type files = map[string][]byte

// damages are what happens to files on disks. keep is the part of the records
// that must come back, on average; the rest lies in the bytes that were hit.
var damages = []struct {
	name string
	do   func(r *rand.Rand, f files, segs []string, i int)
	keep float64
}{
	{"a flipped bit", func(r *rand.Rand, f files, segs []string, i int) {
		f[segs[i]][r.IntN(len(f[segs[i]]))] ^= 1 << r.IntN(8)
	}, 0.99},
	{"a zeroed page", func(r *rand.Rand, f files, segs []string, i int) {
		at := 4096 * r.IntN(1+len(f[segs[i]])/4096)
		clear(f[segs[i]][at:min(len(f[segs[i]]), at+4096)])
	}, 0.94},
	{"garbage in the middle", func(r *rand.Rand, f files, segs []string, i int) {
		b := f[segs[i]]
		at := 2048 + r.IntN(len(b)-2048)
		f[segs[i]] = slices.Insert(b, at, garbage(r, 1+r.IntN(4096))...)
	}, 0.99},
	{"a piece cut out", func(r *rand.Rand, f files, segs []string, i int) {
		b := f[segs[i]]
		at := 2048 + r.IntN(len(b)-2048)
		f[segs[i]] = slices.Delete(b, at, min(len(b), at+r.IntN(500)))
	}, 0.99},
	{"cut off", func(r *rand.Rand, f files, segs []string, i int) {
		f[segs[i]] = f[segs[i]][:r.IntN(len(f[segs[i]]))]
	}, 0.94},
	{"a garbage tail", func(r *rand.Rand, f files, segs []string, i int) {
		f[segs[i]] = append(f[segs[i]], garbage(r, 1+r.IntN(9000))...)
	}, 1},
	{"a tail of zeroes", func(r *rand.Rand, f files, segs []string, i int) {
		f[segs[i]] = append(f[segs[i]], make([]byte, 1+r.IntN(9000))...)
	}, 1},
	{"emptied", func(_ *rand.Rand, f files, segs []string, i int) { f[segs[i]] = nil }, 0.9},
	{"removed", func(_ *rand.Rand, f files, segs []string, i int) { delete(f, segs[i]) }, 0.9},
	{"copied", func(_ *rand.Rand, f files, segs []string, i int) { f["00000000000000ff.seg"] = f[segs[i]] }, 1},
	{"two swapped", func(r *rand.Rand, f files, segs []string, i int) {
		j := r.IntN(len(segs))
		f[segs[i]], f[segs[j]] = f[segs[j]], f[segs[i]]
	}, 1},
	{"one in another's place", func(r *rand.Rand, f files, segs []string, i int) {
		f[segs[i]] = f[segs[r.IntN(len(segs))]]
	}, 0.9},
	{"a name near the limit", func(_ *rand.Rand, f files, segs []string, i int) {
		f[segmentName(maxOrdinal-1)] = f[segs[i]]
	}, 1},
	{"cursors of garbage", func(r *rand.Rand, f files, _ []string, _ int) {
		f[cursorNames[0]], f[cursorNames[1]] = garbage(r, r.IntN(200)), garbage(r, r.IntN(200))
	}, 1},
	{"cursors of zeroes", func(r *rand.Rand, f files, _ []string, _ int) {
		f[cursorNames[0]], f[cursorNames[1]] = make([]byte, 100), make([]byte, 4096)
	}, 1},
	{"no cursors", func(_ *rand.Rand, f files, _ []string, _ int) {
		delete(f, cursorNames[0])
		delete(f, cursorNames[1])
	}, 1},
	{"no mark", func(_ *rand.Rand, f files, _ []string, _ int) { delete(f, markName) }, 1},
}

func garbage(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestDamage damages a spool's files in every way that disks know. It opens,
// gives nothing back that was not written, loses what was hit and no more, and
// says what it lost.
func TestDamage(t *testing.T) {
	const n, rounds = 600, 300
	whole := written(t, n, true)
	var segs []string
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		if isSegment(name) {
			segs = append(segs, name)
		}
	}
	h, _, ok := parseHeader(whole[segs[0]])
	if len(segs) < 10 || !ok {
		t.Fatalf("segments = %d; want some", len(segs))
	}
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			sum := 0
			for range rounds {
				hit := files{}
				for name, b := range whole {
					hit[name] = slices.Clone(b)
				}
				i := r.IntN(len(segs))
				d.do(r, hit, segs, i)
				_, items := reopened(t, hit)
				kept, told, vague := tally(t, items, h.epoch, n)
				// What lies before the first file counts as acknowledged.
				head := i == 0 && hit[segs[0]] == nil || d.name == "one in another's place"
				if kept+told < n && !vague && !head {
					t.Fatalf("kept %d, in gaps %d; want %d together", kept, told, n)
				}
				sum += kept
			}
			part := float64(sum) / (rounds * n)
			t.Logf("kept %.2f %%", 100*part)
			if part < d.keep {
				t.Errorf("kept %.4f of the records; want %.2f", part, d.keep)
			}
		})
	}
}

// TestTornTail cuts the last segment of a killed spool at every byte: every whole
// record before the cut comes back.
func TestTornTail(t *testing.T) {
	const n = 12
	torn := written(t, n, false)
	name := segmentName(0)
	whole := torn[name]
	h, data, _ := parseHeader(whole)
	for cut := range len(whole) + 1 {
		torn[name] = whole[:cut]
		want := 0
		for end := data; want < n; want++ {
			if end += recordHead + int64(len(recordOf(want))); end > int64(cut) {
				break
			}
		}
		s, items := reopened(t, torn)
		if kept, _, _ := tally(t, items, h.epoch, n); kept != want {
			t.Fatalf("cut at %d of %d: records = %d; want %d", cut, len(whole), kept, want)
		}
		if !s.Stats().Unclean {
			t.Fatalf("cut at %d: Unclean = false; want true", cut)
		}
	}
}

func TestQuarantineIsBounded(t *testing.T) {
	bad := files{}
	for i := range 20 {
		bad[segmentName(uint64(i))] = []byte("no header")
	}
	s, items := reopened(t, bad)
	if n := s.Stats().Quarantined; n != maxBadFiles {
		t.Errorf("Quarantined = %d; want %d", n, maxBadFiles)
	}
	if _, _, vague := tally(t, items, Epoch{}, 0); !vague {
		t.Errorf("Next = %s; want damage without numbers", show(items))
	}
}

func FuzzSegment(f *testing.F) {
	for name, b := range written(f, 40, true) {
		if isSegment(name) {
			f.Add(b)
		}
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, items := reopened(t, files{segmentName(3): b})
		for _, it := range items {
			if it.Gap == nil && len(it.Records) == 0 {
				t.Error("an item holds nothing")
			}
		}
	})
}

// FuzzRecords mends the checksums, so that what is behind them is reached.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{1, 0, 1, 2, 1, 3, 5, 0, 9, 2, 4, 1}, uint64(1))
	f.Fuzz(func(t *testing.T, script []byte, first uint64) {
		h := header{epoch: Epoch{9}, first: first, stamp: *stampA}
		b := h.encode()
		for seq := first; len(script) >= 2; script = script[2:] {
			payload := make([]byte, script[1])
			flags := script[0] % 4
			if flags == flagGap && script[1]%2 == 0 {
				payload = Gap{First: seq, Last: seq + uint64(script[1])}.encode()
			}
			b = appendRecord(b, epochSeed(h.epoch), flags, seq, payload)
			seq += uint64(script[0]) % 7
		}
		var last uint64
		_, items := reopened(t, files{segmentName(3): b})
		for _, it := range items {
			if it.Epoch != h.epoch {
				continue
			}
			if it.First <= last {
				t.Errorf("item %d after %d; want growing numbers", it.First, last)
			}
			last = it.First + uint64(max(1, len(it.Records))) - 1
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add(encodeCursor(7, []position{{id: Epoch{1}, freed: 3, refused: []span{{5, 6}}}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		gen, list, ok := decodeCursor(b)
		if !ok {
			return
		}
		again, same, ok := decodeCursor(encodeCursor(gen, list))
		if !ok || again != gen || fmt.Sprint(same) != fmt.Sprint(list) {
			t.Errorf("decodeCursor(encodeCursor()) = %d, %v, %v; want %d, %v", again, same, ok, gen, list)
		}
	})
}
