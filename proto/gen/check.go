package main

import (
	"fmt"

	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// emitCheck writes the gateway's second look.
func emitCheck(s *schema, out *source) {
	out.header("privacy", fmt.Sprintf("eventv1 %q", s.path))
	out.p("\n// checkKind verifies the message of ev.")
	out.p("func (p *Policy) checkKind(ev *eventv1.Event) *Forbidden {\nswitch k := ev.Kind.(type) {")
	for _, k := range s.kinds {
		out.p("case *eventv1.%s:\nif k.%s != nil {\nreturn p.check%s(k.%s)\n}", k.wrapper, k.GoName, k.msg.goName(), k.GoName)
	}
	out.p("}\nreturn forbid(\"Event.kind\", whyNoKind)\n}")
	for _, m := range s.messages {
		emitCheckMessage(m, out)
	}
}

func emitCheckMessage(m *message, out *source) {
	out.p("\n// check%s verifies m and what it holds.", m.goName())
	out.p("func (p *Policy) check%s(m *eventv1.%s) *Forbidden {", m.goName(), m.goName())
	out.p("if unknownFields(m) {\nreturn forbid(%q, whyUnknown)\n}", m.name())
	for _, f := range m.fields {
		name := m.name() + "." + string(f.Desc.Name())
		value := "m." + f.GoName
		if f.Desc.IsList() {
			out.p("if len(%s) > maxItems {\nreturn forbid(%q, whyTooMany)\n}\nfor _, v := range %s {", value, name, value)
			value = "v"
		}
		emitCheckField(m, f, name, value, out)
		if f.Desc.IsList() {
			out.p("}")
		}
	}
	out.p("return nil\n}")
}

func emitCheckField(m *message, f *field, name, value string, out *source) {
	key := keyOf(f.class)
	switch f.kind() {
	case protoreflect.StringKind:
		out.p("if why := p.badText(%s, %s); why != \"\" {\nreturn forbid(%q, why)\n}", key, value, name)
	case protoreflect.BytesKind:
		out.p("if why := p.badBytes(%s, %s); why != \"\" {\nreturn forbid(%q, why)\n}", key, value, name)
	case protoreflect.EnumKind:
		out.p("if !known%s(%s) {\nreturn forbid(%q, whyEnum)\n}", f.Enum.GoIdent.GoName, value, name)
		emitAbsent(f, name, value+" != 0", out)
	case protoreflect.MessageKind:
		out.p("if %s != nil {", value)
		emitAbsent(f, name, "", out)
		if f.msg.person() && m.interval() {
			out.p("if p.Level(SummaryInterval) == Day {\nreturn forbid(%q, whyDay)\n}", name)
		}
		out.p("if err := p.check%s(%s); err != nil {\nreturn err\n}\n}", f.msg.goName(), value)
	case protoreflect.BoolKind:
		emitAbsent(f, name, value, out)
	default:
		emitAbsent(f, name, value+" != 0", out)
	}
}

// emitAbsent writes that a field of a dropped class must not be there.
func emitAbsent(f *field, name, present string, out *source) {
	if f.class == privacyv1.Class_PLAIN {
		return
	}
	if present != "" {
		present += " && "
	}
	out.p("if %sp.Level(%s) == Drop {\nreturn forbid(%q, whyDropped)\n}", present, keyOf(f.class), name)
}

// emitRedact writes the methods that keep events out of logs.
func emitRedact(s *schema, out *source) {
	out.header("eventv1", `"fmt"`, `"io"`, `"log/slog"`)
	out.p(`
// Events are never printed. These methods answer fmt, log/slog and
// encoding/json, by value or inside of something else, with a fixed text.
// protojson and prototext do not ask them; nor does String, which the messages
// have from protoc-gen-go.

const redacted = "<redacted>"

const redactedJSON = ` + "`\"<redacted>\"`")
	names := []string{"Event"}
	for _, m := range s.messages {
		names = append(names, m.goName())
	}
	for _, n := range names {
		out.p("\n// Format writes a fixed text, whatever the verb.")
		out.p("func (*%s) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }", n)
		out.p("\n// LogValue returns a fixed text.")
		out.p("func (*%s) LogValue() slog.Value { return slog.StringValue(redacted) }", n)
		out.p("\n// MarshalJSON returns a fixed text.")
		out.p("func (*%s) MarshalJSON() ([]byte, error) { return []byte(redactedJSON), nil }", n)
	}
}
