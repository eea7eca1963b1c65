package privacy

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Redaction takes from events that were cleared under one policy what a later,
// stricter one forbids. It only drops, a field or the whole event: a pseudonym
// is never hashed again, a path never generalised again. It is not safe for
// concurrent use.
type Redaction struct {
	from, to Policy
	known    bool // the stamp's policy could be read
	stamp    Stamp
	keys     map[protoreflect.FullName]Key
}

// Tighten returns the Redaction that an event cleared under from needs before it
// may stay under p, and false where p is stricter in nothing. The levels of a
// stamp that cannot be read allow nothing to stay.
func (p Policy) Tighten(from Stamp) (*Redaction, bool) {
	old, err := ParseLines(from.Levels)
	to := Strictest(old, p)
	if err == nil && to.Digest() == old.Digest() {
		return nil, false
	}
	return &Redaction{
		from: old, to: to, known: err == nil, keys: map[protoreflect.FullName]Key{},
		stamp: Stamp{to.Digest(), to.Lines(), from.KeyID},
	}, true
}

// Stamp returns the levels to which what is retained belongs.
func (r *Redaction) Stamp() Stamp { return r.stamp }

// Retained is what may stay of a cleared event. Only a Redaction makes one.
type Retained struct{ wire []byte }

// Bytes returns the encoded event. The caller must not change it.
func (r Retained) Bytes() []byte { return r.wire }

// Format writes a fixed text, whatever the verb, as that of Cleared does.
func (r Retained) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redactedText) }

// Apply returns what may stay of rec, an encoded event. It reports false where
// nothing may.
func (r *Redaction) Apply(rec []byte) (Retained, bool) {
	ev := &eventv1.Event{}
	if !r.known || proto.Unmarshal(rec, ev) != nil {
		return Retained{}, false
	}
	k := kindOf(ev)
	if k == 0 || r.to.grain(k) < r.from.grain(k) {
		return Retained{}, false // a bucket cannot be widened without making a new event
	}
	r.strip(ev.ProtoReflect())
	if w := ev.GetWifiLink(); w != nil && r.to.Level(WifiSSID) == Drop && r.to.Level(WifiBSSID) == Drop {
		// It says only why the names are gone, as the filter would have.
		w.IdentityStatus = eventv1.IdentityStatus_IDENTITY_STATUS_OFF_BY_POLICY
	}
	if r.to.Check(ev) != nil {
		return Retained{}, false
	}
	out, err := proto.MarshalOptions{Deterministic: true}.Marshal(ev)
	if err != nil {
		return Retained{}, false
	}
	if bytes.Equal(out, rec) {
		out = rec
	}
	return Retained{out}, true
}

// strip drops the fields of m, and of the messages in it, that may not stay.
func (r *Redaction) strip(m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		key := r.key(fd)
		switch stricter := key != NumKeys && r.to.Level(key) < r.from.Level(key); {
		case stricter && r.to.Level(key) == Drop:
			m.Clear(fd)
		case fd.IsList():
			r.stripList(fd, key, stricter, v.List())
			if v.List().Len() == 0 {
				m.Clear(fd)
			}
		case fd.Message() != nil:
			r.strip(v.Message())
			if fd.ContainingOneof() == nil && proto.Size(v.Message().Interface()) == 0 {
				m.Clear(fd)
			}
		case stricter && !r.stays(key, fd, v):
			m.Clear(fd)
		}
		return true
	})
}

func (r *Redaction) stripList(fd protoreflect.FieldDescriptor, key Key, stricter bool, list protoreflect.List) {
	n := 0
	for i := range list.Len() {
		v := list.Get(i)
		if fd.Message() != nil {
			r.strip(v.Message())
		} else if stricter && !r.stays(key, fd, v) {
			continue
		}
		list.Set(n, v)
		n++
	}
	list.Truncate(n)
}

// key returns the class of a field as a key of the policy; NumKeys: none.
func (r *Redaction) key(fd protoreflect.FieldDescriptor) Key {
	k, ok := r.keys[fd.FullName()]
	if !ok {
		class, _ := proto.GetExtension(fd.Options(), privacyv1.E_Class).(privacyv1.Class)
		if k, ok = ParseKey(strings.ToLower(class.String())); !ok {
			k = NumKeys
		}
		r.keys[fd.FullName()] = k
	}
	return k
}

// stays reports whether a value that left at a laxer level is what the stricter
// one gives too. Figures have no form: their level is that of their event.
func (r *Redaction) stays(k Key, fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return r.to.badText(k, v.String()) == "" && closedForm(k, r.to.Level(k), v.String())
	case protoreflect.BytesKind:
		return r.to.badBytes(k, v.Bytes()) == ""
	}
	return true
}

// closedForm reports whether the form of s proves that level l gave it, or gives
// it as it is. The second look takes any host name for a generalised one and any
// text for a program's name without identities; a clear value would pass too, so
// such forms prove nothing here.
func closedForm(k Key, l Level, s string) bool {
	switch {
	case l == Generalised && k == WifiBSSID, l == Hashed, l == Scope, l == Prefix:
		return true // the second look knows all that these can give
	case l == Generalised && k == Domains:
		return !hostName(s)
	case l == Auto:
		return pseudonym(s)
	}
	return false
}
