package main

import (
	"fmt"
	"slices"

	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// adjusted names fields whose value the filter decides with more than the value
// at hand: a method of Filter by that name is asked.
var adjusted = map[protoreflect.FullName]string{
	"event.v1.WifiLink.identity_status": "identityStatus",
}

// emitFilter writes the code that constructs events.
func emitFilter(s *schema, out *source) {
	out.header("privacy", fmt.Sprintf("eventv1 %q", s.path))
	emitKinds(s, out)
	emitKeptMessages(s, out)
	emitConstruct(s, out)
	for _, m := range s.messages {
		emitPut(m, out)
		if m.summary {
			emitSums(m, out)
		}
	}
	for _, e := range s.enums {
		emitKnown(e, out)
	}
}

// emitKinds writes the table of events.
func emitKinds(s *schema, out *source) {
	out.p("\n// The kinds of event: indices into kinds. Zero is none.\nconst (\n_ uint8 = iota")
	for _, k := range s.kinds {
		out.p("kind%s", k.GoName)
	}
	out.p("numKinds\n)")
	out.p("\n// kinds says of each kind of event which key governs it, which gives the grain\n// of its time, and how it is folded.")
	out.p("var kinds = [numKinds]kindInfo{")
	for _, k := range s.kinds {
		m := k.msg
		out.p("kind%s: {number: %d, tag: %d, name: %q, key: %s, grain: %s, each: %t,", k.GoName,
			k.Desc.Number(), tag(k.field), k.Desc.Name(), keyOf(m.governs), m.grain(), m.each())
		if m.summary {
			out.p("summary: true, folds: []fold{")
			for _, f := range m.fields {
				if f.folded() {
					out.p("{tag: %d, op: fold%s},", tag(f), title(f.merge.String()))
				}
			}
			out.p("},")
		}
		out.p("},")
	}
	out.p("}")
	out.p("\n// kindOf returns the kind of ev, and 0 where it has none.")
	out.p("func kindOf(ev *eventv1.Event) uint8 {\nswitch ev.Kind.(type) {")
	for _, k := range s.kinds {
		out.p("case *eventv1.%s:\nreturn kind%s", k.wrapper, k.GoName)
	}
	out.p("}\nreturn 0\n}")
}

// emitConstruct writes the way from an event to the code of its message.
func emitConstruct(s *schema, out *source) {
	out.p("\n// construct appends what may leave of ev. It reports false where nothing may.")
	out.p("func (f *Filter) construct(ev *eventv1.Event) bool {\nswitch k := ev.Kind.(type) {")
	for _, k := range s.kinds {
		out.p("case *eventv1.%s:", k.wrapper)
		out.p("if k.%s == nil || !f.open(kind%s, ev.TimeUnixMs) {\nreturn false\n}", k.GoName, k.GoName)
		out.p("f.buf = f.put%s(f.buf, k.%s)", k.msg.goName(), k.GoName)
		if k.msg.summary {
			out.p("f.sums = sums%s(f.sums[:0], k.%s)", k.msg.goName(), k.GoName)
		}
		out.p("return true")
	}
	out.p("}\nreturn false\n}")
}

// emitPut writes the function that appends the fields of m, but for those that
// are folded.
func emitPut(m *message, out *source) {
	which := "fields"
	if m.summary {
		which = "keys"
	}
	out.p("\n// put%s appends the %s of m that may leave.", m.goName(), which)
	if m.texts() {
		out.p("func (f *Filter) put%s(b []byte, tag uint64, m *eventv1.%s) []byte {", m.goName(), m.goName())
		emitKept(m, out)
		return
	}
	out.p("func (f *Filter) put%s(b []byte, m *eventv1.%s) []byte {", m.goName(), m.goName())
	emitFields(m, out)
	out.p("return b\n}")
}

// emitKept writes the rest of the function for a message of nothing but texts:
// it is made once and then looked up.
func emitKept(m *message, out *source) {
	name := m.goName()
	hash, size, same, raw := "", "", "", ""
	hashed := map[privacyv1.Class]bool{}
	for _, f := range m.fields {
		value := "m." + f.GoName
		size += " + len(" + value + ")"
		raw += "own(" + value + "), "
		if f.kind() == protoreflect.BytesKind {
			value = "string(" + value + ")"
		} else if !hashed[f.class] { // one of each class tells enough apart
			hashed[f.class] = true
			hash += fmt.Sprintf("h = h*31 + hint(%s)\n", value)
		}
		same += " && r." + f.GoName + " == " + value
	}
	out.p("h := uint64(0)\n%sk := f.kept.%s.slot(h>>8, f.rules.epoch)", hash, name)
	out.p("if k.set && k.raw.is(m) {\nreturn putKept(b, tag, k.out)\n}\nat := len(b)\nb = putOpen(b, tag)")
	emitFields(m, out)
	out.p("b = putClose(b, at, sizeVarint(tag))")
	out.p("if %s <= keptBytes {\nk = f.kept.%s.slot(h>>8, f.rules.epoch) // which may have learned just now", size[3:], name)
	out.p("k.put(raw%s{%s}, untagged(b[at:], tag))\n}\nreturn b\n}", name, raw)

	out.p("\n// raw%s holds the values of a %s as they came.\ntype raw%s struct {", name, name, name)
	for _, f := range m.fields {
		out.p("%s string", f.GoName)
	}
	out.p("}\n\nfunc (r *raw%s) is(m *eventv1.%s) bool {\nreturn %s\n}", name, name, same[4:])
	if m.person() {
		emitMeet(m, out)
	}
}

// emitKeptMessages writes what a Filter keeps of each such message.
func emitKeptMessages(s *schema, out *source) {
	out.p("\n// keptMessages is what a Filter keeps of each message of nothing but texts.\ntype keptMessages struct {")
	for _, m := range s.messages {
		if m.texts() {
			out.p("%s kept[raw%s]", m.goName(), m.goName())
		}
	}
	out.p("}")
}

// texts reports whether the message has nothing but single texts and bytes that
// rules decide on.
func (m *message) texts() bool {
	return !slices.ContainsFunc(m.fields, func(f *field) bool {
		info := classes[f.class]
		return f.Desc.IsList() || info.text == "" && info.bytes == "" || !info.takes(f.kind()) ||
			f.kind() != protoreflect.StringKind && f.kind() != protoreflect.BytesKind
	})
}

// emitFields writes the statements that append the fields.
func emitFields(m *message, out *source) {
	guard, marked := "", !m.event
	for _, f := range m.inOrder() {
		g := presence(f)
		if !marked && f.number() {
			if guard != "" {
				out.p("}")
			}
			out.p("f.tail = len(b)")
			guard, marked = "", true
		}
		if g != guard {
			if guard != "" {
				out.p("}")
			}
			if guard = g; g != "" {
				out.p("if %s {", g)
			}
		}
		emitField(m, f, out)
	}
	if guard != "" {
		out.p("}")
	}
	if !marked {
		out.p("f.tail = len(b)")
	}
}

// inOrder returns the fields of m that are not folded, people first: their
// names are identities that the rules must know before they look for identities
// in other fields. Numbers come last: the tripwire has nothing to look for there.
func (m *message) inOrder() []*field {
	var people, texts, numbers []*field
	for _, f := range m.fields {
		switch {
		case f.folded():
		case f.msg != nil && f.msg.person():
			people = append(people, f)
		case f.number():
			numbers = append(numbers, f)
		default:
			texts = append(texts, f)
		}
	}
	return slices.Concat(people, texts, numbers)
}

// number reports whether the field is encoded as a number.
func (f *field) number() bool { return tag(f)&7 == 0 }

// emitMeet writes the function that shows a person to the rules where no person
// may leave.
func emitMeet(m *message, out *source) {
	out.p("\n// meet%s lets the rules know the names in m, and appends nothing.", m.goName())
	out.p("func (f *Filter) meet%s(m *eventv1.%s) {", m.goName(), m.goName())
	for _, f := range m.fields {
		if info := classes[f.class]; info.text != "" {
			out.p("_ = %s", ruled(m, f, info.text, "m."+f.GoName))
		}
	}
	out.p("}")
}

// presence returns the condition under which a field leaves at all. The rules
// of names see them at every level: they learn from them what to look for in
// other fields, and give nothing at drop.
func presence(f *field) string {
	switch f.class {
	case privacyv1.Class_PLAIN, privacyv1.Class_USERNAME, privacyv1.Class_UPN:
		return ""
	}
	return fmt.Sprintf("f.levels[%s] > Drop", classes[f.class].key)
}

// emitField writes the statement that appends one field.
func emitField(m *message, f *field, out *source) {
	value := "m." + f.GoName
	if f.Desc.IsList() {
		out.p("for _, v := range bounded(m.%s) {", f.GoName)
		defer out.p("}")
		value = "v"
	}
	if method := adjusted[f.Desc.FullName()]; method != "" {
		value = fmt.Sprintf("f.%s(%s)", method, value)
	}
	info := classes[f.class]
	switch k := f.kind(); k {
	case protoreflect.StringKind:
		if alone(m, f) {
			out.p("b = f.putRuled(b, %d, %s, %s, (*rules).%s)", tag(f), info.key, value, info.text)
			return
		}
		out.p("b = putText(b, %d, %s)", tag(f), ruled(m, f, info.text, value))
	case protoreflect.BytesKind:
		if info.bytes != "" {
			value = fmt.Sprintf("sized(%s, %d, %d)", value, info.least, info.most)
		}
		out.p("b = putBytes(b, %d, %s)", tag(f), ruled(m, f, info.bytes, value))
	case protoreflect.EnumKind:
		out.p("if v := %s; known%s(v) {\nb = putUint(b, %d, uint64(v))\n}", value, f.Enum.GoIdent.GoName, tag(f))
	case protoreflect.MessageKind:
		emitMessage(m, f, value, out)
	case protoreflect.BoolKind:
		out.p("b = putBool(b, %d, %s)", tag(f), value)
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		out.p("b = putUint(b, %d, zigzag(int64(%s)))", tag(f), value)
	default:
		out.p("b = putUint(b, %d, uint64(%s))", tag(f), value)
	}
}

// alone reports whether the text is kept by itself: a rule decides on it, its
// message is not kept as a whole, and the rule does not learn from it.
func alone(m *message, f *field) bool {
	switch f.class {
	case privacyv1.Class_PLAIN, privacyv1.Class_USERNAME, privacyv1.Class_UPN:
		return false
	}
	return classes[f.class].text != "" && !m.texts()
}

// emitMessage writes the statement that appends one nested message.
func emitMessage(m *message, f *field, value string, out *source) {
	out.p("if %s != nil {", value)
	if f.msg.person() && m.interval() {
		out.p("if f.levels[SummaryInterval] <= Day {\nf.meet%s(%s)\n} else {", f.msg.goName(), value)
		defer out.p("}")
	}
	if f.msg.texts() {
		out.p("b = f.put%s(b, %d, %s)\n}", f.msg.goName(), tag(f), value)
		return
	}
	out.p("at := len(b)\nb = f.put%s(putOpen(b, %d), %s)\nb = putClose(b, at, %d)\n}",
		f.msg.goName(), tag(f), value, tagSize(f))
}

// ruled returns the call of a class's rule on a value.
func ruled(m *message, f *field, rule, value string) string {
	if rule == "" {
		return value // PLAIN
	}
	if f.class == privacyv1.Class_USERNAME {
		for _, sid := range m.fields {
			if sid.class == privacyv1.Class_USER_SID {
				value += ", m." + sid.GoName
			}
		}
	}
	return fmt.Sprintf("f.rules.%s(f.levels[%s], %s)", rule, classes[f.class].key, value)
}

// emitSums writes the function that lists the folded fields of m.
func emitSums(m *message, out *source) {
	out.p("\n// sums%s appends the fields of m that are folded, in the order of its folds.", m.goName())
	out.p("func sums%s(s []uint64, m *eventv1.%s) []uint64 {\nreturn append(s,", m.goName(), m.goName())
	for _, f := range m.fields {
		if f.folded() {
			out.p("uint64(m.%s),", f.GoName)
		}
	}
	out.p(")\n}")
}

// emitKnown writes the function that tells the numbers of an enum that have a
// name.
func emitKnown(e *protogen.Enum, out *source) {
	name := e.GoIdent.GoName
	seen := map[protoreflect.EnumNumber]bool{}
	low, high := e.Desc.Values().Get(0).Number(), e.Desc.Values().Get(0).Number()
	for i := range e.Desc.Values().Len() {
		n := e.Desc.Values().Get(i).Number()
		seen[n], low, high = true, min(low, n), max(high, n)
	}
	out.p("\n// known%s reports whether the schema names v.", name)
	out.p("func known%s(v eventv1.%s) bool {", name, name)
	if int(high-low)+1 == len(seen) {
		out.p("return v >= %d && v <= %d\n}", low, high)
		return
	}
	out.p("_, ok := eventv1.%s_name[int32(v)]\nreturn ok\n}", name)
}

// tag returns the field's number and wire type as they stand on the wire.
func tag(f *field) uint64 {
	wire := uint64(0)
	switch f.kind() {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		wire = 2
	}
	return uint64(f.Desc.Number())<<3 | wire
}

// tagSize returns how many bytes the tag takes.
func tagSize(f *field) int {
	n := 1
	for t := tag(f); t >= 0x80; t >>= 7 {
		n++
	}
	return n
}

// title returns "Sum" for "SUM".
func title(s string) string {
	b := []byte(s)
	for i := 1; i < len(b); i++ {
		b[i] |= 0x20
	}
	return string(b)
}
