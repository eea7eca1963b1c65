package privacy

import (
	"bytes"
	"strings"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestEveryFieldLeaves: at the laxest levels each field of the schema arrives,
// so the other tests of this file do not pass for want of a value.
func TestEveryFieldLeaves(t *testing.T) {
	for _, kind := range kindFields() {
		t.Run(string(kind.Name()), func(t *testing.T) {
			raw := filled(kind)
			c, ok := newSampleFilter(t, laxest()).Apply(raw)
			if !ok {
				t.Fatalf("Apply(%s) = false; want an event", kind.Name())
			}
			got := decode(t, c)
			if c.Kind() != string(kind.Name()) || c.KindNumber() != int32(kind.Number()) {
				t.Errorf("Kind() = %s, %d; want %s, %d", c.Kind(), c.KindNumber(), kind.Name(), kind.Number())
			}
			if c.TimeUnixMs() != got.TimeUnixMs {
				t.Errorf("TimeUnixMs() = %d; want %d", c.TimeUnixMs(), got.TimeUnixMs)
			}
			want, have := paths(raw), paths(got)
			delete(want, "event.v1.Event.bucket_seconds")
			delete(have, "event.v1.Event.bucket_seconds")
			for p, n := range want {
				if have[p] != n {
					t.Errorf("%s: %d values left; want %d", p, have[p], n)
				}
			}
			walkPairs(t, raw.ProtoReflect(), got.ProtoReflect())
		})
	}
}

// paths counts the values of each field.
func paths(ev *eventv1.Event) map[string]int {
	out := map[string]int{}
	walk(ev.ProtoReflect(), func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) { out[string(fd.FullName())]++ })
	return out
}

// walkPairs compares what is PLAIN, and numbers of any class: they leave as they
// are.
func walkPairs(t *testing.T, raw, got protoreflect.Message) {
	t.Helper()
	raw.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.FullName().Parent() == "event.v1.Event" && fd.Message() == nil:
		case fd.Message() != nil && !fd.IsList():
			walkPairs(t, v.Message(), got.Get(fd).Message())
		case classOf(fd) == privacyv1.Class_PLAIN || fd.Kind() != protoreflect.StringKind && fd.Kind() != protoreflect.BytesKind:
			if !got.Get(fd).Equal(v) {
				t.Errorf("%s = %v; want %v", fd.FullName(), got.Get(fd), v)
			}
		}
		return true
	})
}

// TestZeroPolicy: with nothing set, events that a class governs do not leave,
// and of the others only what is PLAIN, and the asset id's kin nothing.
func TestZeroPolicy(t *testing.T) {
	for _, kind := range kindFields() {
		t.Run(string(kind.Name()), func(t *testing.T) {
			c, ok := newSampleFilter(t, Policy{}).Apply(filled(kind))
			if plain := classOf(kind) == privacyv1.Class_PLAIN; ok != plain {
				t.Fatalf("Apply(%s) = %v; want %v", kind.Name(), ok, plain)
			}
			if !ok {
				return
			}
			n := 0
			walk(decode(t, c).ProtoReflect(), func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) {
				n++
				if classOf(fd) != privacyv1.Class_PLAIN {
					t.Errorf("%s left, of class %v", fd.FullName(), classOf(fd))
				}
			})
			if n < 4 {
				t.Errorf("%d fields left; want the plain ones", n)
			}
		})
	}
}

// TestDropOne: under the laxest policy but for one key, no field of that class
// leaves, and no value of one stands anywhere in the bytes.
func TestDropOne(t *testing.T) {
	for key := range NumKeys {
		if !key.Allows(Drop) {
			continue
		}
		t.Run(key.String(), func(t *testing.T) {
			class := privacyv1.Class(privacyv1.Class_value[strings.ToUpper(key.String())])
			dropped := 0
			for _, kind := range kindFields() {
				f := newSampleFilter(t, with(t, laxest(), key, Drop)) // anew: a name learned from one would trip the next
				raw := filled(kind)
				c, ok := f.Apply(raw)
				if ok == (classOf(kind) == class) {
					t.Errorf("Apply(%s) = %v", kind.Name(), ok)
				}
				if !ok {
					dropped++
					continue
				}
				dropped += assertAbsent(t, class, raw, c)
			}
			if dropped == 0 {
				t.Error("no event has a field of the class")
			}
		})
	}
}

// assertAbsent fails where something of the class is in c. It returns how many
// values of it raw has.
func assertAbsent(t *testing.T, class privacyv1.Class, raw *eventv1.Event, c Cleared) (n int) {
	t.Helper()
	walk(decode(t, c).ProtoReflect(), func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) {
		if classOf(fd) == class {
			t.Errorf("%s: %s left", c.Kind(), fd.FullName())
		}
	})
	out := c.AppendTo(nil)
	walk(raw.ProtoReflect(), func(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
		if classOf(fd) != class {
			return
		}
		n++
		var value []byte
		switch fd.Kind() {
		case protoreflect.StringKind:
			value = []byte(v.String())
		case protoreflect.BytesKind:
			value = v.Bytes()
		default:
			return
		}
		if bytes.Contains(out, value) {
			t.Errorf("%s: the value of %s is in the bytes", c.Kind(), fd.FullName())
		}
	})
	return n
}

// TestUnknownFields: what a newer collector or a patched one puts beside the
// schema's fields, at any depth, does not leave, and the second look refuses it.
func TestUnknownFields(t *testing.T) {
	p := laxest()
	for _, kind := range kindFields() {
		for _, place := range messagesOf(filled(kind)) {
			t.Run(string(kind.Name())+"/"+place, func(t *testing.T) {
				raw := filled(kind)
				eachMessage(raw.ProtoReflect(), func(m protoreflect.Message) {
					if string(m.Descriptor().Name()) == place {
						m.SetUnknown(protoreflect.RawFields("\x9a\x06\x09zz-canary")) // field 99
					}
				})
				c, ok := newSampleFilter(t, p).Apply(raw)
				if !ok {
					t.Fatal("Apply = false")
				}
				if bytes.Contains(c.AppendTo(nil), []byte("zz-canary")) {
					t.Error("the unknown field left")
				}
				got := decode(t, c)
				if err := p.Check(got); err != nil {
					t.Fatalf("Check(filtered) = %v; want nil", err)
				}
				eachMessage(got.ProtoReflect(), func(m protoreflect.Message) {
					if string(m.Descriptor().Name()) == place {
						m.SetUnknown(protoreflect.RawFields("\x9a\x06\x09zz-canary"))
					}
				})
				if err := p.Check(got); err == nil || strings.Contains(err.Error(), "canary") {
					t.Errorf("Check(with an unknown field in %s) = %v; want an error without the value", place, err)
				}
			})
		}
	}
}

func eachMessage(m protoreflect.Message, visit func(protoreflect.Message)) {
	visit(m)
	walk(m, func(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
		if fd.Message() != nil {
			visit(v.Message())
		}
	})
}

// messagesOf returns the names of the messages in ev.
func messagesOf(ev *eventv1.Event) (names []string) {
	seen := map[string]bool{}
	eachMessage(ev.ProtoReflect(), func(m protoreflect.Message) {
		if name := string(m.Descriptor().Name()); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	})
	return names
}

// TestApplyKeepsTheEvent: the caller may use its event again, so Apply changes
// nothing in it and holds on to nothing of it.
func TestApplyKeepsTheEvent(t *testing.T) {
	for _, name := range []string{"strict", "balanced", "classic"} {
		f := newSampleFilter(t, preset(t, name))
		for _, kind := range kindFields() {
			raw := filled(kind)
			before := proto.Clone(raw)
			c, ok := f.Apply(raw)
			if !proto.Equal(raw, before) {
				t.Errorf("Apply(%s) under %s changed the event", kind.Name(), name)
			}
			if !ok {
				continue
			}
			first := c.AppendTo(nil)
			proto.Reset(raw)
			if again := c.AppendTo(nil); !bytes.Equal(first, again) {
				t.Errorf("%s under %s changed with the event that it was made of", kind.Name(), name)
			}
		}
		if s := f.execution.m; s.Program != nil || s.User != nil {
			t.Errorf("under %s the filter keeps a raw process", name)
		}
		if s := f.connection.m; s.Program != nil || s.User != nil || s.Address != "" || s.Domain != "" {
			t.Errorf("under %s the filter keeps a raw connection", name)
		}
	}
}

func TestApplyNothing(t *testing.T) {
	f := newSampleFilter(t, laxest())
	for name, ev := range map[string]*eventv1.Event{
		"nil":              nil,
		"no kind":          {TimeUnixMs: 1},
		"nil start":        {Kind: &eventv1.Event_ProcessStart{}},
		"nil device":       {Kind: &eventv1.Event_Device{}},
		"nil connection":   {Kind: &eventv1.Event_Connection{}},
		"nil in a summary": {Kind: &eventv1.Event_ExecutionSummary{}},
	} {
		if _, ok := f.Apply(ev); ok {
			t.Errorf("Apply(%s) = true; want false", name)
		}
		if _, ok := newSampleFilter(t, preset(t, "balanced")).Apply(ev); ok {
			t.Errorf("Apply(%s) under balanced = true; want false", name)
		}
		if err := laxest().Check(ev); err == nil {
			t.Errorf("Check(%s) = nil; want an error", name)
		}
	}
}
