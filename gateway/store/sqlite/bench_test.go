package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

func batchOf(size, person int) []*eventv1.Event {
	batch := make([]*eventv1.Event, size)
	for i := range batch {
		batch[i] = event(fmt.Sprintf("p%05d", person), "service.example.com", 0)
	}
	return batch
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{50, 512} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "store"), Options{})
			batch, seq := batchOf(size, 1), uint64(1)
			for b.Loop() {
				if err := s.Append(context.Background(), "dev", gateway.Epoch{1}, seq, batch); err != nil {
					b.Fatal(err)
				}
				seq += uint64(size)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "us/event")
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// filled returns a store of 200 people with 250 events each.
func filled(b *testing.B) *Store {
	s := open(b, filepath.Join(b.TempDir(), "store"), Options{})
	for p := range 200 {
		if err := s.Append(context.Background(), gateway.Device(fmt.Sprint("dev", p)), gateway.Epoch{1}, 1, batchOf(250, p)); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func (s *Store) one(b *testing.B, p int) []gateway.SubjectID {
	found, err := s.Subjects(context.Background(), gateway.Query{Names: []string{fmt.Sprintf("p%05d-name", p)}})
	if err != nil || len(found) != 1 {
		b.Fatalf("Subjects() = %d, %v; want 1", len(found), err)
	}
	return []gateway.SubjectID{found[0].ID}
}

func BenchmarkRetrieve250(b *testing.B) {
	s := filled(b)
	ids := s.one(b, 7)
	for b.Loop() {
		n := 0
		for _, err := range s.Retrieve(context.Background(), ids) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 250 {
			b.Fatalf("Retrieve() = %d; want 250", n)
		}
	}
}

func BenchmarkDelete250(b *testing.B) {
	s := filled(b)
	seq := uint64(1)
	for b.Loop() {
		b.StopTimer()
		if err := s.Append(context.Background(), "more", gateway.Epoch{2}, seq, batchOf(250, 999)); err != nil {
			b.Fatal(err)
		}
		seq += 250
		ids := s.one(b, 999)
		b.StartTimer()
		if e, err := s.Delete(context.Background(), ids); err != nil || e.Events != 250 {
			b.Fatalf("Delete() = %+v, %v; want 250 events", e, err)
		}
	}
}

func BenchmarkAcked(b *testing.B) {
	s := filled(b)
	for b.Loop() {
		if n, err := s.Acked(context.Background(), "dev7", gateway.Epoch{1}); err != nil || n != 250 {
			b.Fatalf("Acked() = %d, %v; want 250", n, err)
		}
	}
}
