package privacy

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func randomPolicy(r *rand.Rand) Policy {
	b := make([]byte, NumKeys)
	for i := range b {
		b[i] = byte(r.IntN(60))
	}
	return policyOf(b)
}

// redactable returns events of every kind, with every field set and as
// collectors make them.
func redactable() (all []*eventv1.Event) {
	for _, fd := range kindFields() {
		all = append(all, filled(fd))
	}
	for _, list := range sampleEvents() {
		all = append(all, list...)
	}
	return all
}

// texts returns every value of bytes or text in ev, and every other value under
// the name of its field.
func texts(ev *eventv1.Event) map[string]bool {
	out := map[string]bool{}
	walk(ev.ProtoReflect(), func(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
		switch {
		case fd.Kind() == protoreflect.BytesKind:
			out[string(fd.FullName())+"="+string(v.Bytes())] = true
		case fd.Message() == nil && fd.Name() != "identity_status":
			out[string(fd.FullName())+"="+v.String()] = true
		}
	})
	return out
}

// TestS56RedactionOnlyDrops takes events through random pairs of policies: what
// stays must pass the second look of the stricter of both, hold no value that
// was not there, and stay as it is in a second pass.
func TestS56RedactionOnlyDrops(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	stayed, changed, gone := 0, 0, 0
	for range 300 {
		from, p := randomPolicy(r), randomPolicy(r)
		want := Strictest(from, p)
		filter := newSampleFilter(t, from)
		for _, raw := range redactable() {
			c, ok := filter.Apply(raw)
			if !ok {
				continue
			}
			rec := c.AppendTo(nil)
			red, ok := p.Tighten(*c.Stamp())
			if !ok {
				if want != from {
					t.Fatalf("Tighten = nothing to do; want what leads to %s", want.Lines())
				}
				continue
			}
			if s := red.Stamp(); s.Digest != want.Digest() || s.Levels != want.Lines() || s.KeyID != c.Stamp().KeyID {
				t.Fatalf("Stamp = %v; want the stricter levels and the same key", s)
			}
			kept, ok := red.Apply(rec)
			if !ok {
				gone++
				continue
			}
			stayed++
			if !bytes.Equal(kept.Bytes(), rec) {
				changed++
			}
			assertDropped(t, want, rec, kept)
			if again, ok := red.Apply(kept.Bytes()); !ok || !bytes.Equal(again.Bytes(), kept.Bytes()) {
				t.Fatalf("a second pass changed a %s", c.Kind())
			}
		}
	}
	t.Logf("%d stayed, %d of them with less in them, %d went", stayed, changed, gone)
	if changed < 100 || stayed-changed < 100 || gone < 100 {
		t.Error("the pairs of policies do not cover all three")
	}
}

func assertDropped(t *testing.T, p Policy, rec []byte, kept Retained) {
	t.Helper()
	before, after := &eventv1.Event{}, &eventv1.Event{}
	if proto.Unmarshal(rec, before) != nil || proto.Unmarshal(kept.Bytes(), after) != nil {
		t.Fatal("an event cannot be decoded")
	}
	if err := p.Check(after); err != nil {
		t.Fatalf("Check = %v; want nil", err)
	}
	had := texts(before)
	for v := range texts(after) {
		if !had[v] {
			t.Fatalf("%q stands in what stayed; want only what was there", v)
		}
	}
}

func TestTightenLooser(t *testing.T) {
	for _, name := range []string{"strict", "balanced", "classic"} {
		from := preset(t, name)
		if _, ok := laxest().Tighten(Stamp{from.Digest(), from.Lines(), "k"}); ok {
			t.Errorf("a looser policy tightens %s; want nothing to do", name)
		}
	}
}

func TestTightenUnreadable(t *testing.T) {
	red, ok := laxest().Tighten(Stamp{Levels: "schema=99\n"})
	if !ok {
		t.Fatal("Tighten of unreadable levels = nothing to do; want a Redaction")
	}
	rec, _ := proto.Marshal(sampleEvents()["agent_health"][0])
	if _, ok := red.Apply(rec); ok {
		t.Error("Apply under unreadable levels = true; want false")
	}
}

// TestRedactionClear: a clear value never stays at a level that would have
// changed it, even where the second look cannot tell.
func TestRedactionClear(t *testing.T) {
	hash := newSampleFilter(t, laxest()).rules.keys.make(purposeUser, "jdoe")
	for _, tt := range []struct {
		key   Key
		to    Level
		value string
		stays bool
	}{
		{Username, Hashed, "jdoe", false},
		{Username, Hashed, hash, true},
		{Username, Hashed, "@system", true},
		{ProgramName, Generalised, "jdoe-notes", false},
		{ProgramPath, Generalised, "/opt/jdoe/tool", false},
		{ProgramSigner, Generalised, "John Doe", false},
		{Domains, Generalised, "jdoe-laptop.example.org", false},
		{Domains, Generalised, "<local>", true},
		{Domains, List, "jdoe-laptop.example.org", false},
		{Destinations, Scope, "198.51.100.7", false},
		{Destinations, Scope, "private", true},
		{Destinations, Prefix, "198.51.100.0/24", true},
		{Destinations, Prefix, "198.51.100.7", false},
		{WifiBSSID, Generalised, "00:25:9c", true},
		{WifiBSSID, Generalised, "00:25:9c:00:00:01", false},
		{DeviceName, Auto, "JD-1234", false},
		{DeviceName, Drop, hash, false},
	} {
		t.Run(tt.key.String()+" "+tt.to.String()+" "+tt.value, func(t *testing.T) {
			seen := false
			for _, kind := range kindFields() {
				ev := &eventv1.Event{}
				if !place(ev.ProtoReflect().Mutable(kind).Message(), tt.key, tt.value) {
					continue
				}
				seen = true
				from := laxest()
				rec, _ := proto.Marshal(ev)
				red, _ := with(t, from, tt.key, tt.to).Tighten(Stamp{Levels: from.Lines()})
				kept, ok := red.Apply(rec)
				got := &eventv1.Event{}
				if err := proto.Unmarshal(kept.Bytes(), got); err != nil {
					t.Fatal(err)
				}
				if has := ok && slices.Contains(valuesOf(got, tt.key), tt.value); has != tt.stays {
					// Kinds that the laxest policy leaves no room for go whole.
					if tt.stays && !ok {
						continue
					}
					t.Errorf("%s: stays = %v; want %v", kind.Name(), has, tt.stays)
				}
				if !tt.stays && strings.Contains(string(kept.Bytes()), tt.value) {
					t.Errorf("%s: the value is in the bytes", kind.Name())
				}
			}
			if !seen {
				t.Fatal("no kind has the class")
			}
		})
	}
}

func FuzzRedaction(f *testing.F) {
	addSamples(f)
	f.Fuzz(func(t *testing.T, data, levels []byte) {
		from, p := laxest(), policyOf(levels)
		red, ok := p.Tighten(Stamp{Levels: from.Lines()})
		if !ok {
			return
		}
		if kept, ok := red.Apply(data); ok {
			ev := &eventv1.Event{}
			if err := proto.Unmarshal(kept.Bytes(), ev); err != nil {
				t.Fatal(err)
			}
			if err := Strictest(from, p).Check(ev); err != nil {
				t.Fatalf("Check = %v; want nil", err)
			}
		}
	})
}
