package privacy

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func TestFold(t *testing.T) {
	tests := []struct {
		name       string
		op         foldOp
		a, b, want uint64
	}{
		{"sum", foldSum, 3, 4, 7},
		{"sum stays at the top", foldSum, math.MaxUint64 - 1, 4, math.MaxUint64},
		{"min", foldMin, 3, 4, 3},
		{"min of the later", foldMin, 4, 3, 3},
		{"min: the first not measured", foldMin, 0, 4, 4},
		{"min: the later not measured", foldMin, 3, 0, 3},
		{"max", foldMax, 3, 4, 4},
		{"max of the first", foldMax, 4, 3, 4},
		{"first", foldFirst, 3, 4, 3},
		{"first: none yet", foldFirst, 0, 4, 4},
		{"last", foldLast, 3, 4, 4},
		{"last: none since", foldLast, 3, 0, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.op.of(tt.a, tt.b); got != tt.want {
				t.Errorf("fold(%d, %d) = %d; want %d", tt.a, tt.b, got, tt.want)
			}
		})
	}
}

// summaryKinds returns the members of Event that are summaries.
func summaryKinds() (out []protoreflect.FieldDescriptor) {
	for _, kind := range kindFields() {
		if proto.GetExtension(kind.Message().Options(), privacyv1.E_Summary).(bool) {
			out = append(out, kind)
		}
	}
	return out
}

// randomSummary returns a summary with the keys of a filled one and random
// figures, a third of them 0.
func randomSummary(kind protoreflect.FieldDescriptor, r *rand.Rand) *eventv1.Event {
	ev := filled(kind)
	ev.TimeUnixMs += r.Int64N(1000)
	m := ev.ProtoReflect().Get(kind).Message()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		if fd := fields.Get(i); mergeOf(fd) > privacyv1.Merge_KEY {
			m.Set(fd, protoreflect.ValueOfUint64(r.Uint64N(1<<40)))
			if r.IntN(3) == 0 {
				m.Clear(fd)
			}
		}
	}
	return ev
}

// add folds from into into by the marks in the schema: the other way to do what
// Merge does.
func add(into, from protoreflect.Message) {
	fields := into.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		a, b := into.Get(fd), from.Get(fd)
		switch mergeOf(fd) {
		case privacyv1.Merge_SUM:
			into.Set(fd, protoreflect.ValueOfUint64(a.Uint()+b.Uint()))
		case privacyv1.Merge_MAX:
			into.Set(fd, protoreflect.ValueOfUint64(max(a.Uint(), b.Uint())))
		case privacyv1.Merge_MIN:
			if a.Uint() == 0 || b.Uint() != 0 && b.Uint() < a.Uint() {
				into.Set(fd, b)
			}
		}
	}
}

// TestMergeAdds: n summaries merged in any order say what they say together.
func TestMergeAdds(t *testing.T) {
	p := laxest()
	for _, k := range []Key{FocusTime, UserActivity} {
		p = with(t, p, k, Hour) // at full they are not merged
	}
	for _, kind := range summaryKinds() {
		t.Run(string(kind.Name()), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(kind.Number())))
			f := newSampleFilter(t, p)
			var parts []Cleared
			var want *eventv1.Event
			for range 20 {
				c, ok := f.Apply(randomSummary(kind, r))
				if !ok || !c.Summary() {
					t.Fatalf("Apply = %v, Summary() = %v; want a summary", ok, c.Summary())
				}
				parts = append(parts, c.Clone())
				if ev := decode(t, c); want == nil {
					want = ev
				} else {
					add(want.ProtoReflect().Get(kind).Message(), ev.ProtoReflect().Get(kind).Message())
				}
			}
			for range 10 {
				r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
				into := parts[0].Clone()
				for _, c := range parts[1:] {
					if !Merge(&into, c) {
						t.Fatal("Merge = false; want true")
					}
				}
				if got := decode(t, into); !proto.Equal(got, want) {
					t.Fatalf("merged %s is not the sum of its parts", kind.Name())
				}
			}
		})
	}
}

func TestMergeRefuses(t *testing.T) {
	p := with(t, preset(t, "balanced"), FocusTime, Hour)
	f := newSampleFilter(t, p)
	base := func(kind, path string, at time.Time) *eventv1.Event {
		ev := &eventv1.Event{TimeUnixMs: at.UnixMilli()}
		program := &eventv1.Program{Name: "tool", Path: path}
		switch kind {
		case "execution":
			ev.Kind = &eventv1.Event_ExecutionSummary{ExecutionSummary: &eventv1.ExecutionSummary{Program: program, Starts: 1}}
		case "connection":
			ev.Kind = &eventv1.Event_ConnectionSummary{ConnectionSummary: &eventv1.ConnectionSummary{Program: program, Attempts: 1}}
		case "focus":
			ev.Kind = &eventv1.Event_Focus{Focus: &eventv1.Focus{Program: program, Seconds: 1}}
		case "device":
			ev.Kind = &eventv1.Event_Device{Device: &eventv1.Device{Cores: 4}}
		}
		return ev
	}
	clear := func(f *Filter, ev *eventv1.Event) Cleared {
		c, ok := f.Apply(ev)
		if !ok {
			t.Fatal("Apply = false")
		}
		return c.Clone()
	}
	hour := sampleTime.Truncate(time.Hour)
	execution := clear(f, base("execution", "/usr/bin/a", hour))
	stricter := newSampleFilter(t, with(t, p, ProgramSHA256, Drop))
	twin := newSampleFilter(t, p)
	secret := append(testSecret()[1:], 99)
	otherKeys, err := newPseudonyms("t2", secret)
	if err != nil {
		t.Fatal(err)
	}
	rekeyed := NewFilter(p, testContext(Linux), otherKeys)
	tests := []struct {
		name string
		a, b Cleared
		want bool
	}{
		{"equal", execution, clear(f, base("execution", "/usr/bin/a", hour)), true},
		{"the same bucket", execution, clear(f, base("execution", "/usr/bin/a", hour.Add(14*time.Minute))), true},
		{"another filter of the same policy and key", execution, clear(twin, base("execution", "/usr/bin/a", hour)), true},
		{"the next bucket", execution, clear(f, base("execution", "/usr/bin/a", hour.Add(15*time.Minute))), false},
		{"another program", execution, clear(f, base("execution", "/usr/bin/b", hour)), false},
		{"another kind with the same fields", execution, clear(f, base("connection", "/usr/bin/a", hour)), false},
		{"another kind with another bucket", execution, clear(f, base("focus", "/usr/bin/a", hour)), false},
		{"another policy", execution, clear(stricter, base("execution", "/usr/bin/a", hour)), false},
		{"another key", execution, clear(rekeyed, base("execution", "/usr/bin/a", hour)), false},
		{"no summary", clear(f, base("device", "", hour)), clear(f, base("device", "", hour)), false},
		{"nothing", Cleared{}, Cleared{}, false},
		{"into nothing", Cleared{}, execution, false},
		{"nothing into it", execution, Cleared{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			into := tt.a.Clone()
			if got := Merge(&into, tt.b); got != tt.want {
				t.Errorf("Merge = %v; want %v", got, tt.want)
			}
			if same := string(tt.a.MergeKey()) == string(tt.b.MergeKey()); tt.a.Summary() && tt.b.Summary() && *tt.a.Stamp() == *tt.b.Stamp() && same != tt.want {
				t.Errorf("MergeKey equal = %v; want %v", same, tt.want)
			}
		})
	}
}

// TestFullIsNotMerged: behaviour at its exact time is no summary.
func TestFullIsNotMerged(t *testing.T) {
	f := newSampleFilter(t, laxest())
	for _, kind := range summaryKinds() {
		c, ok := f.Apply(filled(kind))
		if !ok {
			t.Fatalf("Apply(%s) = false", kind.Name())
		}
		wantSummary := kind.Name() == "execution_summary" || kind.Name() == "connection_summary"
		if c.Summary() != wantSummary {
			t.Errorf("%s at full: Summary() = %v; want %v", kind.Name(), c.Summary(), wantSummary)
		}
		if got := decode(t, c); !wantSummary && (got.BucketSeconds != 0 || got.TimeUnixMs != sampleTime.UnixMilli()) {
			t.Errorf("%s at full: %d s from %d; want its exact time", kind.Name(), got.BucketSeconds, got.TimeUnixMs)
		}
	}
}
