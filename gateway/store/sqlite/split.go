package sqlite

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// names are what a person is reported under.
type names struct{ name, upn, sid string }

// person reports whether the names are those of a person. A role, which hides
// an account that is no person's, is none; nor is an account without a name.
func (n names) person() bool {
	for _, v := range []string{n.name, n.upn, n.sid} {
		if v != "" && v != "@system" && v != "@service" {
			return true
		}
	}
	return false
}

// shape says where an event of one kind holds names.
type shape struct {
	field   protoreflect.FieldDescriptor // in Event
	user    protoreflect.FieldDescriptor // of type User, or nil
	name    protoreflect.FieldDescriptor // the device's name, or nil
	machine []protoreflect.FieldDescriptor
}

// shapes holds the shape of each kind by its number in Event.
type shapes map[protoreflect.FieldNumber]shape

var eventKind = (*eventv1.Event)(nil).ProtoReflect().Descriptor().Oneofs().ByName("kind")

// newShapes reads the shapes off the schema, so that a new kind needs no change
// here. A kind whose names lie where record would not find them is refused.
func newShapes() (shapes, error) {
	s := shapes{}
	for i := range eventKind.Fields().Len() {
		f := eventKind.Fields().Get(i)
		sh := shape{field: f}
		if err := sh.read(f.Message()); err != nil {
			return nil, fmt.Errorf("schema of %s: %w", f.Name(), err)
		}
		s[f.Number()] = sh
	}
	return s, nil
}

var errHiddenName = errors.New("names lie where the store does not look for them")

func (s *shape) read(kind protoreflect.MessageDescriptor) error {
	user := (*eventv1.User)(nil).ProtoReflect().Descriptor().FullName()
	for i := range kind.Fields().Len() {
		f := kind.Fields().Get(i)
		switch {
		case f.Message() != nil && f.Message().FullName() == user:
			if s.user != nil || f.IsList() {
				return errHiddenName
			}
			s.user = f
		case f.Message() != nil:
			if hasName(f.Message(), user, map[protoreflect.FullName]bool{}) {
				return errHiddenName
			}
		case classOf(f) == privacyv1.Class_DEVICE_NAME:
			if s.name != nil || f.IsList() || f.Kind() != protoreflect.StringKind {
				return errHiddenName
			}
			s.name = f
		case namesMachine(classOf(f)):
			s.machine = append(s.machine, f)
		}
	}
	return nil
}

// hasName reports whether m, or a message in it, holds a user or a device name.
func hasName(m protoreflect.MessageDescriptor, user protoreflect.FullName, seen map[protoreflect.FullName]bool) bool {
	if m.FullName() == user {
		return true
	}
	if seen[m.FullName()] {
		return false
	}
	seen[m.FullName()] = true
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if classOf(f) == privacyv1.Class_DEVICE_NAME || namesMachine(classOf(f)) {
			return true
		}
		if f.Message() != nil && hasName(f.Message(), user, seen) {
			return true
		}
	}
	return false
}

// namesMachine reports whether values of class c tell one machine from all
// others. They go when a machine is made anonymous.
func namesMachine(c privacyv1.Class) bool {
	return c == privacyv1.Class_ASSET_ID || c == privacyv1.Class_DEVICE_SERIAL || c == privacyv1.Class_LOCAL_ADDRESSES
}

func classOf(f protoreflect.FieldDescriptor) privacyv1.Class {
	return proto.GetExtension(f.Options(), privacyv1.E_Class).(privacyv1.Class)
}

// record is an event on its way into a day file.
type record struct {
	seq    uint64
	kind   protoreflect.FieldNumber
	timeMS int64 // where it is filed; the event's own time unless that is absurd
	day    day
	who    names  // empty: nobody
	device string // the device's name; empty: none
	body   []byte // the event without who and device
}

// take returns the record of ev. ev is not changed.
func (s shapes) take(seq uint64, ev *eventv1.Event) (record, error) {
	if ev == nil {
		return record{}, errors.New("event is nil")
	}
	r := record{seq: seq, timeMS: ev.GetTimeUnixMs()}
	bare := &eventv1.Event{TimeUnixMs: ev.GetTimeUnixMs(), BucketSeconds: ev.GetBucketSeconds()}
	m := ev.ProtoReflect()
	if f := m.WhichOneof(eventKind); f != nil {
		r.kind = f.Number()
		s[f.Number()].strip(m.Get(f).Message(), bare.ProtoReflect(), &r)
	}
	var err error
	if r.body, err = proto.Marshal(bare); err != nil {
		return record{}, fmt.Errorf("encode event: %w", err)
	}
	return r, nil
}

// strip copies kind into bare without the names, which it puts into r. Fields
// that the schema does not know are left behind.
func (s shape) strip(kind protoreflect.Message, bare protoreflect.Message, r *record) {
	out := kind.New()
	kind.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch f {
		case s.user:
			u := v.Message().Interface().(*eventv1.User)
			if n := (names{u.GetName(), u.GetUpn(), u.GetSid()}); n.person() {
				r.who = n
				return true
			}
		case s.name:
			r.device = v.String()
			return true
		}
		out.Set(f, v)
		return true
	})
	bare.Set(s.field, protoreflect.ValueOfMessage(out))
}

// restore decodes a body and puts the names in again.
func (s shapes) restore(body []byte, who names, device string) (*eventv1.Event, error) {
	ev := &eventv1.Event{}
	if err := proto.Unmarshal(body, ev); err != nil {
		return nil, fmt.Errorf("decode stored event: %w", err)
	}
	m := ev.ProtoReflect()
	f := m.WhichOneof(eventKind)
	if f == nil {
		return ev, nil
	}
	sh, kind := s[f.Number()], m.Get(f).Message()
	if sh.user != nil && who != (names{}) {
		u := &eventv1.User{Name: who.name, Upn: who.upn, Sid: who.sid}
		kind.Set(sh.user, protoreflect.ValueOfMessage(u.ProtoReflect()))
	}
	if sh.name != nil && device != "" {
		kind.Set(sh.name, protoreflect.ValueOfString(device))
	}
	return ev, nil
}

// anonymous returns the body without what tells its machine from others, and
// false where it holds nothing of the kind.
func (s shapes) anonymous(body []byte) ([]byte, bool, error) {
	ev := &eventv1.Event{}
	if err := proto.Unmarshal(body, ev); err != nil {
		return nil, false, fmt.Errorf("decode stored event: %w", err)
	}
	m := ev.ProtoReflect()
	f := m.WhichOneof(eventKind)
	if f == nil {
		return body, false, nil
	}
	kind, changed := m.Get(f).Message(), false
	for _, g := range s[f.Number()].machine {
		if kind.Has(g) {
			kind.Clear(g)
			changed = true
		}
	}
	if !changed {
		return body, false, nil
	}
	out, err := proto.Marshal(ev)
	return out, true, err
}

// kindName returns the name of the field of Event that holds the kind.
func (s shapes) kindName(kind int64) string {
	if sh, ok := s[protoreflect.FieldNumber(kind)]; ok {
		return string(sh.field.Name())
	}
	return "unknown"
}

// hideMachine is anonymous for a record on its way in.
func (s shapes) hideMachine(r record) (record, error) {
	if len(s[r.kind].machine) == 0 {
		return r, nil
	}
	body, _, err := s.anonymous(r.body)
	r.body, r.device = body, ""
	return r, err
}
