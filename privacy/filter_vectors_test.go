package privacy

import (
	"strings"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestLeakVectorsInEvents puts each value of the table into each field of its
// class, and reads what leaves, at the row's level and at all others: the rules
// and the second look must agree on every form.
func TestLeakVectorsInEvents(t *testing.T) {
	ran := 0
	for _, v := range vectors(t) {
		key, ok := ParseKey(v.field)
		if !ok {
			t.Fatalf("%s: unknown field %q", v.id, v.field)
		}
		setting, rest, _ := strings.Cut(v.policy, ";")
		_, name, _ := strings.Cut(setting, "=")
		wanted, known := ParseLevel(name)
		keys := testKeys(t)
		if strings.Contains(rest, "key=none") {
			keys = nil
		}
		for _, level := range key.Info().Levels {
			p := with(t, laxest(), key, level)
			for _, kind := range kindFields() {
				ev := &eventv1.Event{}
				if !place(ev.ProtoReflect().Mutable(kind).Message(), key, v.in) {
					continue
				}
				c, ok := NewFilter(p, testContext(v.system()), keys).Apply(ev)
				if !ok {
					continue
				}
				ran++
				got := decode(t, c)
				if err := p.Check(got); err != nil {
					t.Errorf("%s: %s=%v: Check(%s) = %v; want nil", v.id, key, level, kind.Name(), err)
				}
				if known && level == wanted {
					outs := valuesOf(got, key)
					if v.want != "" && len(outs) == 0 {
						t.Errorf("%s: %s holds nothing; want %q", v.id, kind.Name(), v.want)
					}
					for _, out := range outs {
						if out != v.want {
							t.Errorf("%s: %s holds %q; want %q", v.id, kind.Name(), out, v.want)
						}
					}
				}
			}
		}
	}
	if ran < 1000 {
		t.Errorf("%d events; want over 1000", ran)
	}
}

// place puts v into each text of m and below that is of the key's class. It
// reports whether there is one.
func place(m protoreflect.Message, key Key, v string) (placed bool) {
	fields := m.Descriptor().Fields()
	name, sid, _ := strings.Cut(v, "|")
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch class := strings.ToLower(classOf(fd).String()); {
		case fd.Message() != nil && !fd.IsList():
			if inner := m.NewField(fd).Message(); place(inner, key, v) {
				m.Set(fd, protoreflect.ValueOfMessage(inner))
				placed = true
			}
		case class != key.String():
			if key == Username && classOf(fd) == privacyv1.Class_USER_SID {
				m.Set(fd, protoreflect.ValueOfString(sid))
			}
		case fd.IsList():
			m.Mutable(fd).List().Append(protoreflect.ValueOfString(v))
			placed = true
		case fd.Kind() == protoreflect.BytesKind:
			m.Set(fd, protoreflect.ValueOfBytes([]byte(v)))
			placed = true
		case fd.Kind() == protoreflect.StringKind:
			if key == Username {
				v = name
			}
			m.Set(fd, protoreflect.ValueOfString(v))
			placed = true
		}
	}
	return placed
}

// valuesOf returns the texts of the key's class in ev.
func valuesOf(ev *eventv1.Event, key Key) (out []string) {
	walk(ev.ProtoReflect(), func(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
		if strings.ToLower(classOf(fd).String()) != key.String() {
			return
		}
		switch fd.Kind() {
		case protoreflect.BytesKind:
			out = append(out, string(v.Bytes()))
		case protoreflect.StringKind:
			out = append(out, v.String())
		}
	})
	return out
}
