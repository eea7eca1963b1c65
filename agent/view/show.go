package view

import (
	"encoding/hex"
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// Shown is one event as a person sees it: the fields that leave, and where she
// asked for it what they were before. This is the one place that turns an event
// into text.
type Shown struct {
	Kind    string            `json:"kind"`
	Dropped bool              `json:"dropped,omitempty"` // the policy drops the event whole
	After   map[string]string `json:"after,omitempty"`
	Before  map[string]string `json:"before,omitempty"`
}

// Show lays out an event before and after the filter. after is nil where the
// policy drops it.
func Show(raw, after *eventv1.Event, before bool) Shown {
	s := Shown{Dropped: after == nil}
	if after != nil {
		s.Kind, s.After = flatten(after)
	}
	if before {
		kind, fields := flatten(raw)
		s.Before = fields
		if s.Kind == "" {
			s.Kind = kind
		}
	}
	return s
}

// flatten returns the kind of an event and its fields under dotted names.
func flatten(ev *eventv1.Event) (string, map[string]string) {
	fields := map[string]string{}
	m := ev.ProtoReflect()
	one := m.Descriptor().Oneofs().ByName("kind")
	set := m.WhichOneof(one)
	if set == nil {
		return "", fields
	}
	if ev.BucketSeconds != 0 {
		fields["bucket_seconds"] = fmt.Sprint(ev.BucketSeconds)
	}
	add(fields, "", m.Get(set).Message())
	return string(set.Name()), fields
}

func add(fields map[string]string, prefix string, m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := prefix + string(fd.Name())
		switch {
		case fd.IsList():
			for i := range v.List().Len() {
				item := fmt.Sprintf("%s.%d", name, i)
				if fd.Message() != nil {
					add(fields, item+".", v.List().Get(i).Message())
				} else {
					fields[item] = text(fd, v.List().Get(i))
				}
			}
		case fd.Message() != nil:
			add(fields, name+".", v.Message())
		default:
			fields[name] = text(fd, v)
		}
		return true
	})
}

func text(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch fd.Kind() {
	case protoreflect.EnumKind:
		if d := fd.Enum().Values().ByNumber(v.Enum()); d != nil {
			return strings.ToLower(string(d.Name()))
		}
		return fmt.Sprint(v.Enum())
	case protoreflect.BytesKind:
		return hex.EncodeToString(v.Bytes())
	default:
		return v.String()
	}
}
