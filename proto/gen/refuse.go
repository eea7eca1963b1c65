package main

import (
	"slices"

	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// check refuses whatever the emitters could not obey.
func (r *reader) check() {
	for _, m := range r.schema.messages {
		r.checkMessage(m)
	}
	for _, k := range r.schema.kinds {
		r.checkKind(k)
	}
	if r.event != nil && len(r.schema.kinds) == 0 {
		r.refuse(r.event.Desc, "no oneof kind")
	}
}

// envelope allows outside the oneof of Event only the time and its bucket,
// which the filter writes itself.
func (r *reader) envelope(f *field) {
	d := f.Desc
	time := d.Name() == "time_unix_ms" && d.Number() == 1 && d.Kind() == protoreflect.Int64Kind
	bucket := d.Name() == "bucket_seconds" && d.Number() == 2 && d.Kind() == protoreflect.Uint32Kind
	switch {
	case !time && !bucket || d.IsList() || f.Oneof != nil:
		r.refuse(d, "outside of its oneof kind, Event has only int64 time_unix_ms = 1 and uint32 bucket_seconds = 2")
	case f.class != privacyv1.Class_PLAIN || f.merge != privacyv1.Merge_KEY:
		r.refuse(d, "want class PLAIN and merge KEY: the filter writes it by the level of the event")
	}
}

// checkKind wants the class of an event where the event is named and where it
// is defined to be one.
func (r *reader) checkKind(k kind) {
	if !r.checkClass(k.field) {
		return
	}
	if k.msg == nil {
		r.refuse(k.Desc, "want a message of package %s", target)
		return
	}
	governs := k.msg.governs
	if governs == privacyv1.Class_CLASS_UNSPECIFIED {
		governs = privacyv1.Class_PLAIN
	}
	if k.class != governs {
		r.refuse(k.Desc, "class %v, but %s is governed by %v", k.class, k.msg.Desc.FullName(), governs)
	}
	if k.merge != privacyv1.Merge_MERGE_UNSPECIFIED {
		r.refuse(k.Desc, "merge mark on an event; mark its fields")
	}
}

func (r *reader) checkMessage(m *message) {
	if c, known := classes[m.governs]; m.governs != privacyv1.Class_CLASS_UNSPECIFIED && (!known || !c.other) {
		r.refuse(m.Desc, "governed by %v, which cannot decide whether an event exists", m.governs)
	}
	if m.summary && m.governs == privacyv1.Class_CLASS_UNSPECIFIED {
		r.refuse(m.Desc, "a summary that no class governs")
	}
	if m.contains(m, nil) {
		r.refuse(m.Desc, "contains itself, which has no bound")
	}
	users, sids := 0, 0
	for _, f := range m.fields {
		r.checkField(m, f)
		switch f.class {
		case privacyv1.Class_USERNAME:
			users++
		case privacyv1.Class_USER_SID:
			sids++
		}
	}
	if users > 0 && (users != 1 || sids != 1) {
		r.refuse(m.Desc, "%d fields of class USERNAME and %d of USER_SID; want one each: the SID tells system accounts from people", users, sids)
	}
}

// contains reports whether inner is somewhere below m.
func (m *message) contains(inner *message, seen []*message) bool {
	if slices.Contains(seen, m) {
		return false
	}
	seen = append(seen, m)
	return slices.ContainsFunc(m.fields, func(f *field) bool {
		return f.msg != nil && (f.msg == inner || f.msg.contains(inner, seen))
	})
}

func (r *reader) checkField(m *message, f *field) {
	if !r.checkShape(f) || !r.checkClass(f) {
		return
	}
	r.checkMerge(m, f)
}

// checkShape refuses fields that the filter could not construct.
func (r *reader) checkShape(f *field) bool {
	d := f.Desc
	scalar := number(d.Kind())
	switch {
	case d.IsMap():
		r.refuse(d, "a map; want a repeated message, whose fields have classes")
	case d.ContainingOneof() != nil:
		r.refuse(d, "a oneof or optional field; want a plain one, absent when zero")
	case d.Kind() == protoreflect.MessageKind && f.msg == nil:
		r.refuse(d, "message %s of another package; want one of %s, whose fields have classes", f.Message.Desc.FullName(), target)
	case d.Kind() == protoreflect.EnumKind && f.Enum.Desc.ParentFile().Package() != target:
		r.refuse(d, "enum %s of another package", f.Enum.Desc.FullName())
	case d.IsList() && scalar:
		r.refuse(d, "a list of numbers; the filter repeats strings, bytes, enums and messages only")
	case !scalar && !slices.Contains([]protoreflect.Kind{protoreflect.StringKind, protoreflect.BytesKind, protoreflect.EnumKind, protoreflect.MessageKind}, d.Kind()):
		r.refuse(d, "kind %v, which the filter cannot write", d.Kind())
	default:
		return true
	}
	return false
}

// checkClass refuses a missing class and one that has no rule for the field.
func (r *reader) checkClass(f *field) bool {
	d := f.Desc
	text := d.Kind() == protoreflect.StringKind || d.Kind() == protoreflect.BytesKind
	info, known := classes[f.class]
	switch {
	case f.class == privacyv1.Class_CLASS_UNSPECIFIED:
		r.refuse(d, "no (privacy.v1.class)")
	case f.class == privacyv1.Class_PLAIN && text && f.reason == "":
		r.refuse(d, "%v is PLAIN without a (privacy.v1.reason)", d.Kind())
	case f.class == privacyv1.Class_PLAIN:
		return true
	case !known:
		r.refuse(d, "unknown class %d", f.class)
	case !info.takes(d.Kind()):
		r.refuse(d, "class %v has no rule for fields of kind %v", f.class, d.Kind())
	case f.class == privacyv1.Class_USERNAME && d.IsList():
		r.refuse(d, "a list of class USERNAME; want one beside its USER_SID")
	default:
		return true
	}
	return false
}

// checkMerge wants a mark on each field of a summary, and one that can be
// obeyed.
func (r *reader) checkMerge(m *message, f *field) {
	k := f.Desc.Kind()
	sum := f.merge == privacyv1.Merge_SUM
	switch {
	case !m.summary && f.merge != privacyv1.Merge_MERGE_UNSPECIFIED:
		r.refuse(f.Desc, "a merge mark outside of a summary")
	case !m.summary || f.merge == privacyv1.Merge_KEY:
	case f.merge == privacyv1.Merge_MERGE_UNSPECIFIED:
		r.refuse(f.Desc, "no (privacy.v1.merge) in a summary")
	case f.merge < privacyv1.Merge_KEY || f.merge > privacyv1.Merge_LAST:
		r.refuse(f.Desc, "unknown merge mark %d", f.merge)
	case f.Desc.IsList() || sum && k != protoreflect.Uint64Kind || k != protoreflect.Uint64Kind && k != protoreflect.Uint32Kind:
		r.refuse(f.Desc, "merge %v cannot fold %v; want uint64, or uint32 where nothing is added", f.merge, k)
	}
}
