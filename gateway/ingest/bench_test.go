package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// corpus returns encoded events: of the file that DISCREET_CORPUS names, each
// after its length as a varint, or made-up ones.
func corpus(b *testing.B) [][]byte {
	var out [][]byte
	if name := os.Getenv("DISCREET_CORPUS"); name != "" {
		raw, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		for len(raw) > 0 {
			record, n := protowire.ConsumeBytes(raw)
			if n < 0 {
				b.Fatalf("%s: cut after %d events", name, len(out))
			}
			out, raw = append(out, record), raw[n:]
		}
		return out
	}
	rng := rand.New(rand.NewPCG(5, 6))
	zipf := rand.NewZipf(rng, 1.2, 4, 179)
	for i := range 5120 {
		n := int(zipf.Uint64())
		sum := sha256.Sum256([]byte{byte(n)})
		record, err := proto.Marshal(&eventv1.Event{
			TimeUnixMs: 1_790_000_000_000 + int64(i/60)*900_000, BucketSeconds: 900,
			Kind: &eventv1.Event_ConnectionSummary{ConnectionSummary: &eventv1.ConnectionSummary{
				Program: &eventv1.Program{
					Name: fmt.Sprintf("program-%d", n*7919%1000), Version: fmt.Sprintf("%d.%d", n%20, n%7),
					Product: fmt.Sprintf("Product %d", n), Vendor: fmt.Sprintf("Vendor %d", n%9), Path: "/usr/lib/x/*", Sha256: sum[:],
				},
				User: &eventv1.User{Name: "p1.t1.h6oep7sgte27ax7jmm7uzec65m"}, Address: fmt.Sprintf("203.0.113.%d", zipf.Uint64()),
				Port: 443, Transport: 1, Direction: 1, Scope: 4, Attempts: 1 + rng.Uint64N(9), Established: 1 + rng.Uint64N(9),
				ConnectSumUs: rng.Uint64N(200_000), ConnectSamples: rng.Uint64N(9), RttMinUs: rng.Uint64N(20_000),
				BytesIn: rng.Uint64N(1 << 22), BytesOut: rng.Uint64N(1 << 18),
			}},
		})
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, record)
	}
	return out
}

// null is a store that keeps nothing.
type null struct{ *memory }

func (null) Append(context.Context, gateway.Device, gateway.Epoch, uint64, []*eventv1.Event) error {
	return nil
}

func batches(b *testing.B, size int) []*uplinkv1.Batch {
	records := corpus(b)
	var out []*uplinkv1.Batch
	for from := 0; from+size <= len(records); from += size {
		next := batch(uint64(from+1), 1)
		next.Payload, next.Count = pack(records[from:from+size]...), uint32(size)
		out = append(out, next)
	}
	return out
}

// BenchmarkBatch is the work on one batch: unpacked, decoded, looked at, handed
// to a store that keeps nothing, acknowledged. No network.
func BenchmarkBatch(b *testing.B) {
	for _, size := range []int{10, 50, 512} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			all := batches(b, size)
			mem := newMemory()
			s := newSession(New(null{mem}, mem, nil, Options{}), &deaf{ctx: b.Context()}, "d1", nil)
			s.remember(balanced().Digest(), balanced())
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				if err := s.batch(all[n%len(all)]); err != nil {
					b.Fatal(err)
				}
				n++
			}
			if got := s.s.Counters().Events; got != uint64(n*size) {
				b.Fatalf("%d events of %d stored", got, n*size)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*size), "ns/event")
		})
	}
}

// BenchmarkStream sends batches over loopback with mutual TLS, eight in flight,
// to a store that keeps nothing. Both ends run here.
func BenchmarkStream(b *testing.B) {
	for _, streams := range []int{1, 4} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			all := batches(b, 512)
			s := newSite(b, nil)
			s.srv.store = null{s.store}
			var wg sync.WaitGroup
			work := make(chan *uplinkv1.Batch)
			for i := range streams {
				dev := gateway.Device(fmt.Sprintf("d%d", i+10))
				s.guard.set(dev, "")
				a := s.open(string(dev))
				a.policy(balanced())
				window := make(chan struct{}, 8)
				wg.Go(func() {
					for next := range work {
						window <- struct{}{}
						if err := a.stream.Send(&uplinkv1.Up{Message: &uplinkv1.Up_Batch{Batch: next}}); err != nil {
							b.Errorf("Send() = %v", err)
						}
					}
					a.stream.CloseSend()
				})
				wg.Go(func() {
					for {
						d, err := a.stream.Recv()
						if err == io.EOF {
							return
						}
						if err != nil || d.GetAck() == nil {
							b.Errorf("Recv() = %v, %v; want an ack", d, err)
							return
						}
						<-window
					}
				})
			}
			n := 0
			for b.Loop() {
				work <- all[n%len(all)]
				n++
			}
			close(work)
			wg.Wait()
			b.ReportMetric(float64(n*512)/b.Elapsed().Seconds(), "events/s")
			if s.srv.Counters().Events != uint64(n*512) || bytes.Contains([]byte(s.log.String()), []byte("rejected")) {
				b.Errorf("%d events of %d stored", s.srv.Counters().Events, n*512)
			}
		})
	}
}
