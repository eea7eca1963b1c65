package eventv1_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

const canary = "zz-canary-7f3a"

// messages returns one message of each type of the package, each with the
// canary in all its texts.
func messages(t *testing.T) map[string]proto.Message {
	t.Helper()
	out := map[string]proto.Message{}
	all := (&eventv1.Event{}).ProtoReflect().Descriptor().ParentFile().Messages()
	for i := range all.Len() {
		mt, err := protoregistry.GlobalTypes.FindMessageByName(all.Get(i).FullName())
		if err != nil {
			t.Fatal(err)
		}
		m := mt.New()
		fill(m)
		out[string(all.Get(i).Name())] = m.Interface()
	}
	return out
}

func fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if fd.ContainingOneof() != nil && fd.Name() != "process_start" {
			continue
		}
		switch {
		case fd.IsList() && fd.Message() != nil:
			fill(m.Mutable(fd).List().AppendMutable().Message())
		case fd.IsList():
			m.Mutable(fd).List().Append(protoreflect.ValueOfString(canary))
		case fd.Message() != nil:
			fill(m.Mutable(fd).Message())
		case fd.Kind() == protoreflect.StringKind:
			m.Set(fd, protoreflect.ValueOfString(canary))
		case fd.Kind() == protoreflect.BytesKind:
			m.Set(fd, protoreflect.ValueOfBytes([]byte(canary)))
		case fd.Kind() == protoreflect.Uint64Kind:
			m.Set(fd, protoreflect.ValueOfUint64(7337))
		}
	}
}

// TestRedacted prints each message in every way that a log line or a panic
// might, alone and inside of other things.
func TestRedacted(t *testing.T) {
	for name, m := range messages(t) {
		t.Run(name, func(t *testing.T) {
			var logs bytes.Buffer
			for _, h := range []slog.Handler{slog.NewTextHandler(&logs, nil), slog.NewJSONHandler(&logs, nil)} {
				slog.New(h).Info("event", "ev", m, "list", []proto.Message{m}, slog.Group("g", "ev", m))
			}
			inside := struct {
				M proto.Message
				L []proto.Message
			}{m, []proto.Message{m}}
			printed := map[string]string{"slog": logs.String()}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%40v"} {
				printed[verb] = fmt.Sprintf(verb, m)
				printed[verb+" inside"] = fmt.Sprintf(verb, inside)
				printed[verb+" map"] = fmt.Sprintf(verb, map[string]proto.Message{"a": m})
			}
			printed["Sprint"] = fmt.Sprint(m)
			printed["Errorf"] = fmt.Errorf("oh: %v", m).Error()
			for kind, v := range map[string]any{"json": m, "json inside": inside} {
				b, err := json.Marshal(v)
				if err != nil {
					t.Fatalf("json.Marshal = %v", err)
				}
				var back any
				if err := json.Unmarshal(b, &back); err != nil {
					t.Errorf("json.Marshal(%s) is no JSON: %v", name, err)
				}
				printed[kind] = fmt.Sprint(back)
			}
			for how, text := range printed {
				for _, secret := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), "7337", "1ca9"} {
					if strings.Contains(text, secret) {
						t.Errorf("%s of %s shows a value: %q", how, name, text)
					}
				}
				if !strings.Contains(text, "<redacted>") {
					t.Errorf("%s of %s = %q; want <redacted> in it", how, name, text)
				}
			}
		})
	}
}

// TestReflectionStillWorks: the tools of the gateway and of the employee's view
// do print events.
func TestReflectionStillWorks(t *testing.T) {
	for name, m := range messages(t) {
		b, err := protojson.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		text := prototext.Format(m)
		if name != "Loss" && (!strings.Contains(string(b), canary) && !strings.Contains(string(b), "7337") || text == "") {
			t.Errorf("protojson and prototext of %s = %s, %s; want its values", name, b, text)
		}
	}
}

// TestNil: a nil message prints as any other.
func TestNil(t *testing.T) {
	var m *eventv1.Event
	if got := fmt.Sprintf("%v", m); got != "<redacted>" {
		t.Errorf("%%v of nil = %q; want <redacted>", got)
	}
}
