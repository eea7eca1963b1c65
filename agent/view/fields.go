package view

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// userMessage is the type of the field that says whose an event is.
var userMessage = (&eventv1.User{}).ProtoReflect().Descriptor().FullName()

// Owner returns the user of an event, and false where events of its kind are of
// the device and have none. The user may be empty: then nobody knows whose it
// is.
func Owner(ev *eventv1.Event) (name, sid string, ofPerson bool) {
	m := ev.ProtoReflect()
	set := m.WhichOneof(m.Descriptor().Oneofs().ByName("kind"))
	if set == nil {
		return "", "", true
	}
	m = m.Get(set).Message()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if fd.Message() == nil || fd.Message().FullName() != userMessage || fd.Cardinality() == protoreflect.Repeated {
			continue
		}
		u, _ := m.Get(fd).Message().Interface().(*eventv1.User)
		return u.GetName(), u.GetSid(), true
	}
	return "", "", false
}

// Decode lays out a record as it went to the spool, and says whose it is as
// Owner does.
func Decode(wire []byte, at time.Time) (s Sent, owner string, ofPerson bool, err error) {
	ev := &eventv1.Event{}
	if proto.Unmarshal(wire, ev) != nil {
		return s, "", true, errors.New("record cannot be read")
	}
	sum := sha256.Sum256(wire)
	s = Sent{Time: at, Bytes: len(wire), Wire: wire, SHA256: hex.EncodeToString(sum[:])}
	s.Kind, s.Fields = flatten(ev)
	s.Fields["event_time"] = time.UnixMilli(ev.TimeUnixMs).UTC().Format(time.RFC3339Nano)
	owner, _, ofPerson = Owner(ev)
	return s, owner, ofPerson, nil
}
