package duties

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// column is one column of a kind's table: the way from the kind's message to a
// field that is no message, or to a list.
type column struct {
	name  string
	path  []protoreflect.FieldDescriptor
	class string // what it can reveal; empty: nothing about people
}

var eventKind = (*eventv1.Event)(nil).ProtoReflect().Descriptor().Oneofs().ByName("kind")

// leading are the columns that every table begins with.
var leading = []string{"device", "epoch", "seq", "time", "bucket_seconds"}

// columns returns the columns of a message, read off the schema: a new kind or
// field needs no change here. No message of the schema holds itself; the test
// of the columns would not end if one did.
func columns(m protoreflect.MessageDescriptor, prefix string, path []protoreflect.FieldDescriptor) []column {
	var out []column
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		way := append(path[:len(path):len(path)], f)
		name := prefix + string(f.Name())
		if f.Message() != nil && !f.IsList() {
			out = append(out, columns(f.Message(), name+".", way)...)
			continue
		}
		c := column{name: name, path: way}
		if class := classOf(f); class != privacyv1.Class_PLAIN {
			c.class = strings.ToLower(class.String())
		}
		out = append(out, c)
	}
	return out
}

func classOf(f protoreflect.FieldDescriptor) privacyv1.Class {
	return proto.GetExtension(f.Options(), privacyv1.E_Class).(privacyv1.Class)
}

// cell returns the text of the column in a kind's message; empty where it is
// not set.
func (c column) cell(m protoreflect.Message) string {
	for _, f := range c.path[:len(c.path)-1] {
		if !m.Has(f) {
			return ""
		}
		m = m.Get(f).Message()
	}
	f := c.path[len(c.path)-1]
	if f.IsList() {
		list := m.Get(f).List()
		items := make([]string, list.Len())
		for i := range items {
			items[i] = text(f, list.Get(i))
		}
		return guard(strings.Join(items, "; "))
	}
	s := text(f, m.Get(f))
	if f.Kind() == protoreflect.StringKind || f.Kind() == protoreflect.BytesKind {
		return guard(s)
	}
	return s
}

// text writes one value.
func text(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch f.Kind() {
	case protoreflect.EnumKind:
		if d := f.Enum().Values().ByNumber(v.Enum()); d != nil {
			return string(d.Name())
		}
		return strconv.Itoa(int(v.Enum()))
	case protoreflect.BytesKind:
		// The name of a network is bytes, and mostly text.
		if classOf(f) == privacyv1.Class_WIFI_SSID && utf8.Valid(v.Bytes()) {
			return string(v.Bytes())
		}
		return hex.EncodeToString(v.Bytes())
	case protoreflect.MessageKind:
		var parts []string
		for _, c := range columns(f.Message(), "", nil) {
			parts = append(parts, c.name+"="+c.cell(v.Message()))
		}
		return strings.Join(parts, " ")
	}
	return v.String()
}

// guard keeps a spreadsheet from running a cell as a formula: such a cell gets
// an apostrophe in front. See OWASP, "CSV Injection".
func guard(s string) string {
	rest := strings.TrimLeft(s, " \t\r\n\u00a0")
	if s != rest && s[0] != ' ' {
		return "'" + s
	}
	if r, _ := utf8.DecodeRuneInString(rest); rest != "" && strings.ContainsRune("=+-@\uff1d\uff0b\uff0d\uff20", r) {
		return "'" + s
	}
	return s
}

// lead returns the leading cells of an event.
func lead(st gateway.Stored) []string {
	return []string{
		guard(string(st.Device)), hex.EncodeToString(st.Epoch[:]), strconv.FormatUint(st.Seq, 10),
		clock(time.UnixMilli(st.Event.GetTimeUnixMs())), strconv.FormatUint(uint64(st.Event.GetBucketSeconds()), 10),
	}
}

// clock writes a time; a zero one is empty.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
