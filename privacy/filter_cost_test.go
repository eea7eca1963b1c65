package privacy

import (
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	"google.golang.org/protobuf/proto"
)

// TestNoAllocations: a warm filter asks nothing of the heap, whatever the event
// and the policy, nor does a merge, nor a second look that finds nothing.
func TestNoAllocations(t *testing.T) {
	policies := map[string]Policy{"laxest": laxest()}
	for _, name := range []string{"strict", "balanced", "classic"} {
		policies[name] = preset(t, name)
	}
	for name, p := range policies {
		f := newSampleFilter(t, p)
		for kind, list := range sampleEvents() {
			for _, ev := range list {
				out := make([]byte, 0, 1024)
				if n := testing.AllocsPerRun(100, func() {
					if c, ok := f.Apply(ev); ok {
						out = c.AppendTo(out[:0])
					}
				}); n != 0 {
					t.Errorf("%s: Apply(%s) allocates %v times; want 0", name, kind, n)
				}
				c, ok := f.Apply(ev)
				if !ok {
					continue
				}
				got := decode(t, c)
				if n := testing.AllocsPerRun(100, func() { _ = p.Check(got) }); n != 0 {
					t.Errorf("%s: Check(%s) allocates %v times; want 0", name, kind, n)
				}
				into := c.Clone()
				if n := testing.AllocsPerRun(100, func() { Merge(&into, c) }); n != 0 {
					t.Errorf("%s: Merge(%s) allocates %v times; want 0", name, kind, n)
				}
			}
		}
	}
}

// BenchmarkFilter shows what an event costs with its tripwire, caches warm.
func BenchmarkFilter(b *testing.B) {
	for _, name := range []string{"balanced", "classic", "laxest"} {
		p := laxest()
		if name != "laxest" {
			p = preset(b, name)
		}
		for _, kind := range kindFields() {
			b.Run(name+"/"+string(kind.Name()), func(b *testing.B) {
				f := newSampleFilter(b, p)
				ev := sampleEvents()[string(kind.Name())][0]
				if _, ok := f.Apply(ev); !ok {
					b.Skip("the policy drops it")
				}
				b.ReportAllocs()
				for b.Loop() {
					f.Apply(ev)
				}
			})
		}
	}
}

func BenchmarkAppendTo(b *testing.B) {
	f := newSampleFilter(b, preset(b, "balanced"))
	for _, kind := range []string{"execution_summary", "connection_summary"} {
		b.Run(kind, func(b *testing.B) {
			c, _ := f.Apply(sampleEvents()[kind][0])
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				out = c.AppendTo(out[:0])
			}
			b.ReportMetric(float64(len(out)), "bytes")
		})
	}
}

func BenchmarkMerge(b *testing.B) {
	f := newSampleFilter(b, preset(b, "balanced"))
	for _, kind := range []string{"execution_summary", "connection_summary"} {
		b.Run(kind, func(b *testing.B) {
			c, _ := f.Apply(sampleEvents()[kind][0])
			into := c.Clone()
			b.ReportAllocs()
			for b.Loop() {
				if !Merge(&into, c) {
					b.Fatal("Merge = false")
				}
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	p := laxest()
	f := newSampleFilter(b, p)
	for _, kind := range kindFields() {
		b.Run(string(kind.Name()), func(b *testing.B) {
			c, ok := f.Apply(sampleEvents()[string(kind.Name())][0])
			ev := &eventv1.Event{}
			if !ok || proto.Unmarshal(c.AppendTo(nil), ev) != nil {
				b.Fatal("no event")
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Check(ev); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
