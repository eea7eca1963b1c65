package privacy

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// TestS01S02S03S33NoSuchField: the schema has no field for what must never be
// said, so no setting and no mistake can send it.
func TestS01S02S03S33NoSuchField(t *testing.T) {
	never := []string{"arg", "cmd", "command", "environ", "env", "title", "window", "clipboard", "keystroke", "screen", "content", "cgroup", "container", "display_name", "locale", "keyboard", "machine_id"}
	fields := 0
	messages := eventv1.File_event_v1_event_proto.Messages()
	for i := range messages.Len() {
		eachField(messages.Get(i), func(f protoreflect.FieldDescriptor) {
			fields++
			for _, word := range strings.Split(string(f.Name()), "_") {
				for _, no := range never {
					if word == no || word == no+"s" || strings.Contains(no, "_") && strings.Contains(string(f.Name()), no) {
						t.Errorf("%s: the schema must have no field for %q", f.FullName(), no)
					}
				}
			}
		})
	}
	if fields < 100 {
		t.Errorf("looked at %d fields; want the whole schema", fields)
	}
}

func eachField(m protoreflect.MessageDescriptor, f func(protoreflect.FieldDescriptor)) {
	for i := range m.Fields().Len() {
		f(m.Fields().Get(i))
	}
}

// TestS04ParentIsANumber: the tree of processes is told by numbers only.
func TestS04ParentIsANumber(t *testing.T) {
	f := eventv1.File_event_v1_event_proto.Messages().ByName("ProcessStart").Fields().ByName("parent_start_key")
	if f == nil || f.Kind() != protoreflect.Uint64Kind {
		t.Errorf("ProcessStart.parent_start_key = %v; want a number", f)
	}
	eachField(f.ContainingMessage(), func(f protoreflect.FieldDescriptor) {
		if strings.Contains(string(f.Name()), "parent") && f.Kind() != protoreflect.Uint64Kind {
			t.Errorf("%s: a parent that is no number", f.FullName())
		}
	})
}

// TestS30OneLength: the length of a name cannot be read off its pseudonym.
func TestS30OneLength(t *testing.T) {
	keys, ctx := testKeys(t), testContext(Linux)
	want := len(UserPseudonym(keys, ctx, "a", ""))
	for n := 1; n <= 64; n++ {
		name := strings.Repeat("k", n)
		for kind, got := range map[string]string{"user": UserPseudonym(keys, ctx, name, ""), "device": DevicePseudonym(keys, name), "upn": UPNPseudonym(keys, name+"@b.example")} {
			if len(got) != want {
				t.Errorf("pseudonym of a %s name of %d letters has %d; want %d", kind, n, len(got), want)
			}
		}
	}
}

// TestS53GatewayRefusesAClearName: a patched agent that sends a name under a
// policy that hides it is refused, and the refusal does not repeat the name.
func TestS53GatewayRefusesAClearName(t *testing.T) {
	policy, _ := Preset("balanced")
	for _, tt := range []struct {
		name string
		ok   bool
	}{
		{goodPseudonym, true}, {"@system", true}, {"@service", true},
		{"jdoe", false}, {"@jdoe", false}, {goodPseudonym + "a", false}, {strings.ToUpper(goodPseudonym), false}, {goodPseudonym + "\n", false},
	} {
		ev := &eventv1.Event{Kind: &eventv1.Event_ExecutionSummary{ExecutionSummary: &eventv1.ExecutionSummary{User: &eventv1.User{Name: tt.name}}}}
		ev.BucketSeconds = 900
		err := policy.Check(ev)
		if (err == nil) != tt.ok {
			t.Errorf("Check(name %q) = %v; want accepted: %t", tt.name, err, tt.ok)
		}
		if err != nil && strings.Contains(err.Error(), "jdoe") {
			t.Errorf("Check() = %v; want no value in it", err)
		}
	}
}
