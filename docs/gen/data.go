package main

import (
	"bytes"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/discreet-agent/discreet/privacy"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

const dataHead = `# What the agent can say

This page is made from the schema (proto/event/v1/event.proto) and the table of
classes. It lists every event and every field. What is not on this page cannot be
sent: there is no field for it.

Each field has a class. Each class but ` + "`PLAIN`" + ` is a key of the settings, and the key
has a level. The level says how much leaves. A field at ` + "`drop`" + ` is empty in what
leaves. An event whose own key is at ` + "`drop`" + ` is not made, and its collector is not
started if nothing else needs it. A field inside a part, such as a user's name, leaves
only if both the part and the field may leave.

` + "`PLAIN`" + ` describes the machine or a program, never a person. It leaves whenever its
event leaves. Free text that is ` + "`PLAIN`" + ` gives a reason.

## The keys and what leaves

| key | what it is | levels, strictest first | strict | balanced (default) | classic |
|---|---|---|---|---|---|
`

// dataPage writes docs/DATA.md.
func dataPage(fd protoreflect.FileDescriptor, said map[string]string) []byte {
	var b bytes.Buffer
	b.WriteString(dataHead)
	for k := range privacy.NumKeys {
		i := k.Info()
		var levels []string
		for _, l := range i.Levels {
			levels = append(levels, l.String())
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", i.Name, cell(i.Doc), strings.Join(levels, ", "), i.Strict, i.Balanced, i.Classic)
	}
	kinds := fd.Messages().ByName("Event").Oneofs().ByName("kind").Fields()
	isKind := map[protoreflect.FullName]bool{}
	b.WriteString("\n## The events\n")
	for i := range kinds.Len() {
		m := kinds.Get(i).Message()
		isKind[m.FullName()] = true
		messageTable(&b, m, said)
	}
	b.WriteString("\n## The parts of events\n")
	for i := range fd.Messages().Len() {
		if m := fd.Messages().Get(i); !isKind[m.FullName()] {
			messageTable(&b, m, said)
		}
	}
	return b.Bytes()
}

func messageTable(b *bytes.Buffer, m protoreflect.MessageDescriptor, said map[string]string) {
	fmt.Fprintf(b, "\n### %s\n\n", m.Name())
	if text := said[string(m.FullName())]; text != "" {
		fmt.Fprintf(b, "%s\n\n", text)
	}
	if governs := proto.GetExtension(m.Options(), privacyv1.E_Governs).(privacyv1.Class); governs != privacyv1.Class_CLASS_UNSPECIFIED {
		key := strings.ToLower(governs.String())
		fmt.Fprintf(b, "Key that decides whether it leaves: `%s` (presets: %s).\n\n", key, leaves(governs))
		if k, ok := privacy.ParseKey(key); ok && k.Allows(privacy.Each) && !summary(m) {
			fmt.Fprintf(b, "Leaves only where `%s` is `each`. At `summary` only its summary leaves.\n\n", key)
		}
	}
	if summary(m) {
		b.WriteString("A summary: events with equal keys are added up on the device. Where `summary_interval` is `day`, it carries no user.\n\n")
	}
	b.WriteString("| no. | field | type | class | leaves at strict / balanced / classic | meaning |\n|---|---|---|---|---|---|\n")
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		class := proto.GetExtension(f.Options(), privacyv1.E_Class).(privacyv1.Class)
		meaning := said[string(f.FullName())]
		if reason := proto.GetExtension(f.Options(), privacyv1.E_Reason).(string); reason != "" {
			meaning = strings.TrimSpace(meaning + " Why PLAIN: " + reason + ".")
		}
		fmt.Fprintf(b, "| %d | %s | %s | %s | %s | %s |\n", f.Number(), f.Name(), typeName(f), class, leaves(class), cell(meaning))
	}
}

func summary(m protoreflect.MessageDescriptor) bool {
	return proto.GetExtension(m.Options(), privacyv1.E_Summary).(bool)
}

// leaves says what of a class leaves in each preset.
func leaves(c privacyv1.Class) string {
	k, ok := privacy.ParseKey(strings.ToLower(c.String()))
	if !ok {
		return "with its event"
	}
	i := k.Info()
	return fmt.Sprintf("%s / %s / %s", i.Strict, i.Balanced, i.Classic)
}

func typeName(f protoreflect.FieldDescriptor) string {
	name := f.Kind().String()
	switch f.Kind() {
	case protoreflect.MessageKind:
		name = string(f.Message().Name())
	case protoreflect.EnumKind:
		name = string(f.Enum().Name())
	}
	if f.IsList() {
		return "list of " + name
	}
	return name
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// cell keeps text from ending its cell of a table.
func cell(s string) string { return strings.ReplaceAll(oneLine(s), "|", "\\|") }
