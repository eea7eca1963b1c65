package privacy

import (
	"bytes"
	"strings"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// policyOf makes a policy of any bytes.
func policyOf(b []byte) Policy {
	var p Policy
	for k := range NumKeys {
		levels := k.Info().Levels
		p.levels[k] = levels[0]
		if int(k) < len(b) {
			p.levels[k] = levels[int(b[k])%len(levels)]
		}
	}
	return p
}

func addSamples(f *testing.F) {
	lax := bytes.Repeat([]byte{4}, int(NumKeys))
	for _, list := range sampleEvents() {
		for _, ev := range list {
			b, err := proto.Marshal(ev)
			if err != nil {
				f.Fatal(err)
			}
			for _, levels := range [][]byte{nil, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, lax} {
				f.Add(b, levels)
			}
		}
	}
}

// FuzzApply: whatever a collector emits, what leaves is an event of the schema
// that the second look accepts, and that merges with itself if it is a summary.
func FuzzApply(f *testing.F) {
	addSamples(f)
	f.Fuzz(func(t *testing.T, data, levels []byte) {
		ev := &eventv1.Event{}
		if proto.Unmarshal(data, ev) != nil {
			return
		}
		p := policyOf(levels)
		c, ok := newSampleFilter(t, p).Apply(ev)
		if !ok {
			return
		}
		got := decode(t, c)
		if err := p.Check(got); err != nil {
			t.Fatalf("Check(filtered) = %v; want nil", err)
		}
		if got.TimeUnixMs != c.TimeUnixMs() {
			t.Fatalf("TimeUnixMs() = %d; want %d", c.TimeUnixMs(), got.TimeUnixMs)
		}
		into := c.Clone()
		if merged := Merge(&into, c); merged != c.Summary() {
			t.Fatalf("Merge with itself = %v; want %v", merged, c.Summary())
		}
		if after := decode(t, into); !bytes.Equal(into.MergeKey(), c.MergeKey()) || p.Check(after) != nil {
			t.Fatal("merging changed more than figures")
		}
	})
}

// FuzzCheck: whatever arrives, the second look names a field of the schema and
// a reason, and no value.
func FuzzCheck(f *testing.F) {
	addSamples(f)
	schema := (&eventv1.Event{}).ProtoReflect().Descriptor().ParentFile()
	f.Fuzz(func(t *testing.T, data, levels []byte) {
		ev := &eventv1.Event{}
		if proto.Unmarshal(data, ev) != nil {
			return
		}
		err := policyOf(levels).Check(ev)
		if err == nil {
			return
		}
		forbidden, ok := err.(*Forbidden)
		if !ok {
			t.Fatalf("Check = %T; want *Forbidden", err)
		}
		name, field, _ := strings.Cut(forbidden.Field, ".")
		m := schema.Messages().ByName(protoreflect.Name(name))
		if m == nil || field != "" && field != "kind" && m.Fields().ByName(protoreflect.Name(field)) == nil {
			t.Fatalf("Check names %q, which is no field", forbidden.Field)
		}
		switch forbidden.Why {
		case whyNoKind, whyUnknown, whyEnum, whyTooMany, whyTooLong, whyNotText, whyDropped, whyEach, whyDay, whyTime, whyBucket, whyStatus, whyForm:
		default:
			t.Fatalf("Check gives the reason %q", forbidden.Why)
		}
	})
}
