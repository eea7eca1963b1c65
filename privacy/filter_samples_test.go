package privacy

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// sampleTime is in a summer hour that is not on any boundary.
var sampleTime = time.Date(2026, 7, 14, 9, 41, 27, 345e6, time.UTC)

func sampleContext() Context {
	return Context{
		OS:                Linux,
		Host:              "JDOE-LAPTOP",
		Identities:        []string{`CORP\jdoe`, "john.doe@corp.example.com", "John Doe", "JDOE-LAPTOP"},
		Location:          time.UTC,
		CorporateDomains:  []string{"corp.example.com"},
		CorporateSSIDs:    []string{"CORP-WIFI"},
		CorporateNetworks: []Network{{"hq", netip.MustParsePrefix("10.20.0.0/16")}},
	}
}

// sampleKeys holds the key of the leak vectors.
func sampleKeys(t testing.TB) *Pseudonyms {
	t.Helper()
	secret := make([]byte, secretSize)
	for i := range secret {
		secret[i] = byte(i)
	}
	keys, err := newPseudonyms("t1", secret)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func preset(t testing.TB, name string) Policy {
	t.Helper()
	p, ok := Preset(name)
	if !ok {
		t.Fatalf("Preset(%q) does not exist", name)
	}
	return p
}

// with returns p with one key at another level.
func with(t testing.TB, p Policy, k Key, l Level) Policy {
	t.Helper()
	p, ok := p.With(k, l)
	if !ok {
		t.Fatalf("%v has no level %v", k, l)
	}
	return p
}

// laxest returns the policy that lets out as much as there are levels for.
func laxest() Policy {
	var p Policy
	for k := range NumKeys {
		levels := k.Info().Levels
		p.levels[k] = levels[len(levels)-1]
	}
	return p
}

func newSampleFilter(t testing.TB, p Policy) *Filter {
	t.Helper()
	return NewFilter(p, sampleContext(), sampleKeys(t))
}

// decode returns the event that c holds, and fails on anything unknown in it.
func decode(t testing.TB, c Cleared) *eventv1.Event {
	t.Helper()
	b := c.AppendTo(nil)
	if len(b) != c.Size() {
		t.Fatalf("Size() = %d; want %d, the bytes that AppendTo gives", c.Size(), len(b))
	}
	ev := &eventv1.Event{}
	if err := proto.Unmarshal(b, ev); err != nil {
		t.Fatalf("decode %s: %v", c.Kind(), err)
	}
	return ev
}

// kindFields returns the members of Event's oneof.
func kindFields() []protoreflect.FieldDescriptor {
	members := (&eventv1.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	out := make([]protoreflect.FieldDescriptor, members.Len())
	for i := range out {
		out[i] = members.Get(i)
	}
	return out
}

func classOf(fd protoreflect.FieldDescriptor) privacyv1.Class {
	return proto.GetExtension(fd.Options(), privacyv1.E_Class).(privacyv1.Class)
}

func mergeOf(fd protoreflect.FieldDescriptor) privacyv1.Merge {
	return proto.GetExtension(fd.Options(), privacyv1.E_Merge).(privacyv1.Merge)
}

// filled returns an event of kind fd in which every field has a value, and
// every value is another.
func filled(fd protoreflect.FieldDescriptor) *eventv1.Event {
	ev := &eventv1.Event{TimeUnixMs: sampleTime.UnixMilli(), BucketSeconds: 7}
	n := 0
	fill(ev.ProtoReflect().Mutable(fd).Message(), &n)
	return ev
}

func fill(m protoreflect.Message, n *int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch {
		case fd.IsList():
			list := m.Mutable(fd).List()
			for range 3 {
				if fd.Message() != nil {
					fill(list.AppendMutable().Message(), n)
				} else {
					list.Append(sampleValue(fd, n))
				}
			}
		case fd.Message() != nil:
			fill(m.Mutable(fd).Message(), n)
		default:
			m.Set(fd, sampleValue(fd, n))
		}
	}
}

// sampleValue returns a value that every rule lets through at its laxest level.
func sampleValue(fd protoreflect.FieldDescriptor, n *int) protoreflect.Value {
	*n++
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(sampleText(classOf(fd), *n))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(fmt.Appendf(nil, "mark-%027d", *n))
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(values.Len() - 1).Number())
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind:
		return protoreflect.ValueOfInt32(-int32(*n) - 1000)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(*n) + 1000)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(*n) + 1000)
	}
	panic(fmt.Sprintf("no sample for %v", fd.FullName()))
}

func sampleText(c privacyv1.Class, n int) string {
	switch c {
	case privacyv1.Class_UPN:
		return fmt.Sprintf("mark%03d@example.org", n)
	case privacyv1.Class_USER_SID:
		return fmt.Sprintf("S-1-5-21-1004336348-1177238915-682003330-%d", 1000+n)
	case privacyv1.Class_DESTINATIONS, privacyv1.Class_LOCAL_ADDRESSES:
		return fmt.Sprintf("198.51.100.%d", 100+n)
	case privacyv1.Class_DOMAINS:
		return fmt.Sprintf("mark%03d.example.org", n)
	case privacyv1.Class_WIFI_BSSID:
		return fmt.Sprintf("00:25:9c:00:00:%02x", n)
	case privacyv1.Class_PROGRAM_PATH:
		return fmt.Sprintf("/usr/bin/mark%03d", n)
	}
	return fmt.Sprintf("mark%03d", n)
}

// walk calls visit for each field that is set in m and below, with its value,
// or with each of its values.
func walk(m protoreflect.Message, visit func(protoreflect.FieldDescriptor, protoreflect.Value)) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		values := []protoreflect.Value{v}
		if fd.IsList() {
			values = values[:0]
			for i := range v.List().Len() {
				values = append(values, v.List().Get(i))
			}
		}
		for _, v := range values {
			visit(fd, v)
			if fd.Message() != nil {
				walk(v.Message(), visit)
			}
		}
		return true
	})
}
