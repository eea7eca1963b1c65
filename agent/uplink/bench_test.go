package uplink

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// corpus returns encoded events. DISCREET_CORPUS names a file of them, each
// after its length as a varint; without it they are made up: what an agent at
// the balanced preset says of 180 programs, most of it of a few.
func corpus(b *testing.B) [][]byte {
	if name := os.Getenv("DISCREET_CORPUS"); name != "" {
		raw, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		var out [][]byte
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
	user := []string{"@system", "p1.t1.h6oep7sgte27ax7jmm7uzec65m", "@service"}
	program := func() (*eventv1.Program, *eventv1.User) {
		n := int(zipf.Uint64())
		sum := sha256.Sum256([]byte{byte(n)})
		return &eventv1.Program{
			Name: fmt.Sprintf("program-%d", n*7919%1000), Version: fmt.Sprintf("%d.%d.%d", n%20, n%7, n%13),
			Product: fmt.Sprintf("Product %d", n*31%100), Vendor: fmt.Sprintf("Vendor %d", n%9), Path: "/usr/lib/x/*", Sha256: sum[:],
		}, &eventv1.User{Name: user[n%3]}
	}
	var out [][]byte
	for i := range 5120 {
		p, u := program()
		ev := &eventv1.Event{TimeUnixMs: 1_790_000_000_000 + int64(i/60)*900_000, BucketSeconds: 900}
		if i%3 == 0 {
			ev.Kind = &eventv1.Event_ExecutionSummary{ExecutionSummary: &eventv1.ExecutionSummary{
				Program: p, User: u, Starts: rng.Uint64N(9), Stops: rng.Uint64N(9), RunningMs: rng.Uint64N(900_000),
				CpuUserMs: rng.Uint64N(40_000), CpuSystemMs: rng.Uint64N(9_000), MemorySumBytes: rng.Uint64N(1 << 32),
				MemorySamples: rng.Uint64N(60), MemoryMaxBytes: rng.Uint64N(1 << 29), ReadBytes: rng.Uint64N(1 << 24), WrittenBytes: rng.Uint64N(1 << 22),
			}}
		} else {
			ev.Kind = &eventv1.Event_ConnectionSummary{ConnectionSummary: &eventv1.ConnectionSummary{
				Program: p, User: u, Address: fmt.Sprintf("203.0.%d.%d", zipf.Uint64(), zipf.Uint64()), Port: 443,
				Transport: 1, Direction: 1, Scope: 4, Rung: 2, Attempts: 1 + rng.Uint64N(9), Established: 1 + rng.Uint64N(9),
				ConnectSumUs: rng.Uint64N(200_000), ConnectSamples: rng.Uint64N(9), RttMinUs: rng.Uint64N(20_000), RttSumUs: rng.Uint64N(900_000),
				RttSamples: rng.Uint64N(60), RttMaxUs: rng.Uint64N(90_000), BytesIn: rng.Uint64N(1 << 22), BytesOut: rng.Uint64N(1 << 18),
				SegmentsIn: rng.Uint64N(4000), SegmentsOut: rng.Uint64N(4000), Retransmits: rng.Uint64N(3),
			}}
		}
		record, err := proto.Marshal(ev)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, record)
	}
	return out
}

// BenchmarkEncode builds the message of a batch as the stream sends it. The
// bytes per event are those of the whole message, without TLS.
func BenchmarkEncode(b *testing.B) {
	records := corpus(b)
	for _, size := range []int{10, 50, 512} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			enc, err := newEncoder()
			if err != nil {
				b.Fatal(err)
			}
			defer enc.close()
			var wire, events, raw int
			stamp := stampOf(0)
			b.ReportAllocs()
			for b.Loop() {
				from := events % (len(records) - size + 1)
				for _, r := range records[from : from+size] {
					enc.add(r)
					raw += len(r)
				}
				f := &flight{first: uint64(events + 1), count: uint32(size), stamp: stamp}
				f.payload = enc.seal()
				wire += proto.Size(f.up()) + 5 // and the frame of gRPC
				events += size
			}
			b.ReportMetric(float64(wire)/float64(events), "wire_B/event")
			b.ReportMetric(float64(raw)/float64(events), "raw_B/event")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
		})
	}
}

// BenchmarkAck is the agent's bookkeeping for one batch in flight.
func BenchmarkAck(b *testing.B) {
	src := newMemory(b)
	p := newPump(New(src, Options{}), mute{})
	p.limits = bounded(&uplinkv1.Limits{})
	e, stamp := src.epochs[0], stampOf(0)
	b.ReportAllocs()
	for n := uint64(0); b.Loop(); n++ {
		f := &flight{epoch: e, first: n*50 + 1, count: 50, payload: []byte{1}, stamp: stamp}
		if p.admit(f) != nil || p.send(f) != nil || p.take(ackDown(e[:], f.last())) != nil {
			b.Fatal("not taken")
		}
		p.settle()
	}
}
