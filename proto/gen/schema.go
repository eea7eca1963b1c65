package main

import (
	"cmp"
	"fmt"
	"slices"

	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// schema is what the emitters know of the package.
type schema struct {
	path     string     // the import path of the generated messages
	kinds    []kind     // the members of Event's oneof, by number
	messages []*message // all but Event, in the order of the files
	enums    []*protogen.Enum
}

// kind is one member of Event's oneof.
type kind struct {
	*field
	wrapper string // the Go type of the member
}

// message is one message and its marks.
type message struct {
	*protogen.Message
	fields  []*field
	governs privacyv1.Class
	summary bool
	event   bool // a member of Event's oneof
}

// field is one field and its marks.
type field struct {
	*protogen.Field
	class  privacyv1.Class
	reason string
	merge  privacyv1.Merge
	msg    *message // of a message field
}

func (m *message) goName() string { return m.GoIdent.GoName }
func (m *message) name() string   { return string(m.Desc.Name()) }
func (f *field) kind() protoreflect.Kind {
	return f.Desc.Kind()
}

// folded reports whether the field of a summary is folded and not a key.
func (f *field) folded() bool { return f.merge > privacyv1.Merge_KEY }

// person reports whether the message names a person.
func (m *message) person() bool {
	return slices.ContainsFunc(m.fields, func(f *field) bool { return f.class == privacyv1.Class_USERNAME })
}

// keyOf returns the Key of class c; PLAIN, and an event that no class governs,
// have none.
func keyOf(c privacyv1.Class) string {
	if info, ok := classes[c]; ok {
		return info.key
	}
	return "NumKeys"
}

// interval reports whether the level of summary_interval is the grain of the
// event's time, rather than that of its own class. At day it then carries no
// person.
func (m *message) interval() bool { return m.summary && !classes[m.governs].times }

// grain returns the Key whose level is the grain of the event's time; where
// there is none the time is exact.
func (m *message) grain() string {
	switch {
	case m.interval():
		return "SummaryInterval"
	case classes[m.governs].times:
		return keyOf(m.governs)
	}
	return keyOf(privacyv1.Class_PLAIN)
}

// each reports whether the event leaves only at level each: its class has a
// level summary, and this is not the summary.
func (m *message) each() bool { return classes[m.governs].summaries && !m.summary }

// reader builds the schema and collects what is wrong with it.
type reader struct {
	schema   schema
	event    *protogen.Message
	byName   map[protoreflect.FullName]*message
	problems []error
}

// read returns the schema of the target package, or nil where the request does
// not generate it, and every problem in it.
func read(plugin *protogen.Plugin) (*schema, []error) {
	r := &reader{byName: map[protoreflect.FullName]*message{}}
	found := false
	for _, file := range plugin.Files {
		if !file.Generate || file.Desc.Package() != target {
			continue
		}
		found = true
		r.schema.path = string(file.GoImportPath)
		if file.Desc.Syntax() != protoreflect.Proto3 {
			r.refuse(file.Desc, "want syntax proto3")
		}
		r.schema.enums = append(r.schema.enums, file.Enums...)
		for _, m := range file.Messages {
			r.add(m)
		}
	}
	if !found {
		return nil, nil
	}
	r.link()
	r.check()
	return &r.schema, r.problems
}

// add reads one message and those inside it.
func (r *reader) add(m *protogen.Message) {
	if m.Desc.IsMapEntry() {
		return // refused at the field that it belongs to
	}
	if m.Desc.Name() == "Event" && m.Desc.Parent() == m.Desc.ParentFile() {
		r.event = m
		return
	}
	opts := m.Desc.Options()
	out := &message{
		Message: m,
		governs: proto.GetExtension(opts, privacyv1.E_Governs).(privacyv1.Class),
		summary: proto.GetExtension(opts, privacyv1.E_Summary).(bool),
	}
	for _, f := range m.Fields {
		out.fields = append(out.fields, marks(f))
	}
	r.byName[m.Desc.FullName()] = out
	r.schema.messages = append(r.schema.messages, out)
	r.schema.enums = append(r.schema.enums, m.Enums...)
	for _, inner := range m.Messages {
		r.add(inner)
	}
}

// marks reads the marks of one field.
func marks(f *protogen.Field) *field {
	opts := f.Desc.Options()
	return &field{
		Field:  f,
		class:  proto.GetExtension(opts, privacyv1.E_Class).(privacyv1.Class),
		reason: proto.GetExtension(opts, privacyv1.E_Reason).(string),
		merge:  proto.GetExtension(opts, privacyv1.E_Merge).(privacyv1.Merge),
	}
}

// link joins message fields with their messages, and reads Event.
func (r *reader) link() {
	for _, m := range r.schema.messages {
		for _, f := range m.fields {
			r.resolve(f)
		}
	}
	if r.event == nil {
		r.problems = append(r.problems, fmt.Errorf("%s: no message Event", target))
		return
	}
	for _, f := range r.event.Fields {
		ef := marks(f)
		r.resolve(ef)
		if f.Oneof != nil && !f.Oneof.Desc.IsSynthetic() && f.Oneof.Desc.Name() == "kind" {
			r.schema.kinds = append(r.schema.kinds, kind{ef, f.GoIdent.GoName})
			if ef.msg != nil {
				ef.msg.event = true
			}
			continue
		}
		r.envelope(ef)
	}
	slices.SortFunc(r.schema.kinds, func(a, b kind) int { return cmp.Compare(a.Desc.Number(), b.Desc.Number()) })
}

func (r *reader) resolve(f *field) {
	if f.Message != nil && !f.Desc.IsMap() {
		f.msg = r.byName[f.Message.Desc.FullName()]
	}
}

// refuse notes a problem with d, and where d stands.
func (r *reader) refuse(d protoreflect.Descriptor, format string, args ...any) {
	loc := d.ParentFile().SourceLocations().ByDescriptor(d)
	where := fmt.Sprintf("%s:%d: %s: ", d.ParentFile().Path(), loc.StartLine+1, d.FullName())
	r.problems = append(r.problems, fmt.Errorf("%s%s", where, fmt.Sprintf(format, args...)))
}
