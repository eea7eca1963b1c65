package spool

import (
	"path/filepath"
	"testing"
)

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
