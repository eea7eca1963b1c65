package agent

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// Inventory lists every field of every event with its class, the level in force
// and what leaves of it: the table that a data protection impact assessment
// begins with. It is read from the schema, so it cannot forget a field.
func Inventory(l *configs.Loaded, lang view.Lang) []view.Field {
	var rows []view.Field
	st := l.Settings.Privacy.Statement
	kinds := (&eventv1.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	for i := range kinds.Len() {
		kind := kinds.Get(i)
		exists := exists(l, kind.Message())
		eachField(kind.Message(), "", func(name string, class privacyv1.Class) {
			row := view.Field{
				Event: string(kind.Name()), Field: name, Class: strings.ToLower(class.String()),
				Days: st.RetentionDays, Purpose: st.Purpose, Basis: st.LegalBasis, Recipient: view.Recipient(l.Settings.Gateway.Address, lang),
			}
			row.Level, row.Leaves, row.Source = leaves(l, lang, class)
			if !exists {
				row.Leaves = lang.Text("inventory.noevent")
			}
			rows = append(rows, row)
		})
	}
	return rows
}

// leaves returns the level that holds for a class, in plain words what it lets
// through, and who decided it.
func leaves(l *configs.Loaded, lang view.Lang, class privacyv1.Class) (level, words, by string) {
	k, ok := privacy.ParseKey(strings.ToLower(class.String()))
	if !ok {
		return "", lang.Text("inventory.plain"), ""
	}
	name := l.Policy.Level(k).String()
	d := l.Decisions[k]
	return name, lang.Level(k.String(), name), view.PageKey{Layer: d.Layer, Source: d.Source, BoundBy: d.BoundBy}.By(lang)
}

// exists reports whether the policy lets events of a kind leave at all.
func exists(l *configs.Loaded, m protoreflect.MessageDescriptor) bool {
	class, _ := proto.GetExtension(m.Options(), privacyv1.E_Governs).(privacyv1.Class)
	k, ok := privacy.ParseKey(strings.ToLower(class.String()))
	if !ok {
		return true // of the agent or the machine alone
	}
	if l.OnlyHealth {
		return false
	}
	summary, _ := proto.GetExtension(m.Options(), privacyv1.E_Summary).(bool)
	if !summary && k.Allows(privacy.Each) {
		return l.Policy.Level(k) == privacy.Each
	}
	return l.Policy.Level(k) > privacy.Drop
}

// eachField calls do for every field that holds a value, under its dotted name.
func eachField(m protoreflect.MessageDescriptor, prefix string, do func(name string, class privacyv1.Class)) {
	fields := m.Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if fd.Message() != nil {
			eachField(fd.Message(), prefix+string(fd.Name())+".", do)
			continue
		}
		class, _ := proto.GetExtension(fd.Options(), privacyv1.E_Class).(privacyv1.Class)
		do(prefix+string(fd.Name()), class)
	}
}
