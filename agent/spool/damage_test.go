package spool

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// recordOf returns what record n of these tests holds.
func recordOf(n int) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("record %d;", n)), 1+n%40)
}

// written makes a real spool of n records in several segments, stopped without
// a clean end, and returns the files of its folder.
func written(t testing.TB, n int) map[string][]byte {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "spool")
	s := mustOpen(t, Options{Dir: dir, SegmentBytes: 8 << 10})
	for i := range n {
		if err := s.append(stampA, recordOf(i)); err != nil {
			t.Fatal(err)
		}
	}
	mustSync(t, s)
	files := readFiles(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return files
}

func readFiles(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// reopened lays the files into a folder, opens the spool and reads everything.
func reopened(t testing.TB, files map[string][]byte) []Item {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "spool")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, Options{Dir: dir, SegmentBytes: 8 << 10})
	items := drain(t, s, 100, 1<<20)
	if err := s.Close(); err != nil {
		t.Errorf("Close after damage = %v; want nil", err)
	}
	return items
}

// intact counts the records that came back, and fails on one that is not what
// was written.
func intact(t testing.TB, items []Item, want map[string]bool) int {
	t.Helper()
	kept := 0
	for _, it := range items {
		for _, r := range it.Records {
			if !want[string(r)] {
				t.Fatalf("a record of %d bytes came back that was never written", len(r))
			}
			kept++
		}
	}
	return kept
}

// damages are what happens to files on disks. A harmless one may cost no record.
var damages = []struct {
	name     string
	do       func(r *rand.Rand, files map[string][]byte, seg string)
	harmless bool
}{
	{"a bit flipped", func(r *rand.Rand, f map[string][]byte, seg string) {
		f[seg][r.IntN(len(f[seg]))] ^= 1 << r.IntN(8)
	}, false},
	{"cut", func(r *rand.Rand, f map[string][]byte, seg string) { f[seg] = f[seg][:r.IntN(len(f[seg]))] }, false},
	{"a page of zeros", func(r *rand.Rand, f map[string][]byte, seg string) {
		at := 1024 + r.IntN(len(f[seg])-1024)
		clear(f[seg][at:min(len(f[seg]), at+512)])
	}, false},
	{"garbage behind it", func(r *rand.Rand, f map[string][]byte, seg string) {
		for range 1 + r.IntN(4096) {
			f[seg] = append(f[seg], byte(r.Uint32()))
		}
	}, true},
	{"emptied", func(_ *rand.Rand, f map[string][]byte, seg string) { f[seg] = nil }, false},
	{"removed", func(_ *rand.Rand, f map[string][]byte, seg string) { delete(f, seg) }, false},
	{"a copy beside it", func(_ *rand.Rand, f map[string][]byte, seg string) { f["00000000000000ff.seg"] = bytes.Clone(f[seg]) }, true},
	{"its cursor gone mad", func(r *rand.Rand, f map[string][]byte, _ string) {
		for _, name := range cursorNames {
			b := make([]byte, r.IntN(200))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			f[name] = b
		}
	}, true},
}

// TestDamage damages the files of a spool in every way that disks know: it opens,
// gives back nothing that was not written, and loses only what lay in the
// segment that was hit.
func TestDamage(t *testing.T) {
	const n, rounds = 600, 60
	files := written(t, n)
	want := map[string]bool{}
	for i := range n {
		want[string(recordOf(i))] = true
	}
	var segs []string
	for name := range files {
		if isSegment(name) {
			segs = append(segs, name)
		}
	}
	if len(segs) < 5 {
		t.Fatalf("%d segments; want several", len(segs))
	}
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			lost := 0
			for range rounds {
				hit := map[string][]byte{}
				for name, b := range files {
					hit[name] = bytes.Clone(b)
				}
				seg := segs[r.IntN(len(segs))]
				d.do(r, hit, seg)
				kept := intact(t, reopened(t, hit), want)
				if d.harmless && kept < n {
					t.Fatalf("%d of %d records came back; want all", kept, n)
				}
				lost += n - kept
			}
			t.Logf("%d rounds, %.1f of %d records lost on average", rounds, float64(lost)/rounds, n)
			if lost > rounds*n/len(segs)*2 {
				t.Errorf("lost more than the segments that were hit")
			}
		})
	}
}

// TestTornTail cuts the last segment at every byte: the spool opens, and every
// whole record before the cut is there.
func TestTornTail(t *testing.T) {
	files := written(t, 12)
	name := segmentName(0)
	whole := files[name]
	before := 0
	for cut := 0; cut <= len(whole); cut++ {
		hit := map[string][]byte{}
		for n, b := range files {
			hit[n] = b
		}
		hit[name] = whole[:cut]
		kept := 0
		for _, it := range reopened(t, hit) {
			kept += len(it.Records)
		}
		if kept < before {
			t.Fatalf("cut at %d of %d: %d records; want at least the %d of the cut before", cut, len(whole), kept, before)
		}
		before = kept
	}
	if before != 12 {
		t.Errorf("the whole segment gave %d records; want 12", before)
	}
}

func FuzzSegment(f *testing.F) {
	files := written(f, 40)
	for name, b := range files {
		if isSegment(name) {
			f.Add(b)
		}
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, it := range reopened(t, map[string][]byte{segmentName(3): b}) {
			if it.Gap == nil && len(it.Records) == 0 {
				t.Error("an item holds nothing")
			}
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
		again, _, ok := decodeCursor(encodeCursor(gen, list))
		if !ok || again != gen {
			t.Errorf("decodeCursor(encodeCursor()) = %d, %v; want %d", again, ok, gen)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	s := mustOpen(b, Options{Dir: filepath.Join(b.TempDir(), "spool"), MaxBytes: 1 << 30})
	defer s.Close()
	rec := recordOf(20)
	b.ReportAllocs()
	b.SetBytes(int64(len(rec)))
	for b.Loop() {
		if err := s.append(stampA, rec); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend50AndSync(b *testing.B) {
	s := mustOpen(b, Options{Dir: filepath.Join(b.TempDir(), "spool"), MaxBytes: 1 << 30})
	defer s.Close()
	rec := recordOf(10)
	for b.Loop() {
		for range 50 {
			if err := s.append(stampA, rec); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/50, "ns/event")
}

// BenchmarkOpen opens a spool of 64 MiB and reads its first batch.
func BenchmarkOpen(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "spool")
	s := mustOpen(b, Options{Dir: dir, MaxBytes: 1 << 30})
	rec := recordOf(39)
	for range (64 << 20) / len(rec) {
		if err := s.append(stampA, rec); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s := mustOpen(b, Options{Dir: dir, MaxBytes: 1 << 30})
		if _, ok, err := s.tryNext(50, 1<<20); err != nil || !ok {
			b.Fatalf("Next = %v, %v; want records", ok, err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
