package privacy

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// TestReleasedClasses compares the schema with the one that was released last.
// A mark may be added. It may not be taken away or changed. Renew at a release,
// after it is out: go run ./docs/gen -release
func TestReleasedClasses(t *testing.T) {
	data, err := os.ReadFile("../proto/event/v1/released.binpb")
	if err != nil {
		t.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(data, set); err != nil {
		t.Fatal(err)
	}
	now := protodesc.ToFileDescriptorProto(eventv1.File_event_v1_event_proto)
	for _, p := range weaker(eventsOf(t, set), now) {
		t.Error(p)
	}
}

func eventsOf(t *testing.T, set *descriptorpb.FileDescriptorSet) *descriptorpb.FileDescriptorProto {
	t.Helper()
	for _, f := range set.File {
		if f.GetPackage() == "event.v1" {
			return f
		}
	}
	t.Fatal("the released set holds no event.v1")
	return nil
}

// weaker returns every change from old to now that is not allowed.
func weaker(old, now *descriptorpb.FileDescriptorProto) []string {
	var out []string
	refuse := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, om := range old.MessageType {
		i := slices.IndexFunc(now.MessageType, func(m *descriptorpb.DescriptorProto) bool { return m.GetName() == om.GetName() })
		if i < 0 {
			continue // what cannot be said does not leave
		}
		nm := now.MessageType[i]
		if a, b := extOf(om.Options, privacyv1.E_Governs), extOf(nm.Options, privacyv1.E_Governs); a != privacyv1.Class_CLASS_UNSPECIFIED && a != b {
			refuse("%s: governed by %v, released with %v", om.GetName(), b, a)
		}
		was, _ := proto.GetExtension(om.GetOptions(), privacyv1.E_Summary).(bool)
		if is, _ := proto.GetExtension(nm.GetOptions(), privacyv1.E_Summary).(bool); was != is {
			refuse("%s: a summary: %t, released with %t", om.GetName(), is, was)
		}
		for _, of := range om.Field {
			j := slices.IndexFunc(nm.Field, func(f *descriptorpb.FieldDescriptorProto) bool { return f.GetNumber() == of.GetNumber() })
			if j < 0 {
				if slices.ContainsFunc(nm.Field, func(f *descriptorpb.FieldDescriptorProto) bool { return f.GetName() == of.GetName() }) {
					refuse("%s.%s: another number than the released %d", om.GetName(), of.GetName(), of.GetNumber())
				}
				continue
			}
			sameField(om.GetName(), of, nm.Field[j], refuse)
		}
	}
	return out
}

func sameField(in string, old, now *descriptorpb.FieldDescriptorProto, refuse func(string, ...any)) {
	name := in + "." + old.GetName()
	if now.GetName() != old.GetName() || now.GetType() != old.GetType() || now.GetTypeName() != old.GetTypeName() || now.GetLabel() != old.GetLabel() {
		refuse("%s: number %d is %s of another name or type now", name, old.GetNumber(), now.GetName())
	}
	if a, b := extOf(old.Options, privacyv1.E_Class), extOf(now.Options, privacyv1.E_Class); a != b && a != privacyv1.Class_PLAIN {
		refuse("%s: class %v, released with %v", name, b, a)
	} else if a == privacyv1.Class_PLAIN && b == privacyv1.Class_CLASS_UNSPECIFIED {
		refuse("%s: the mark is gone, released with %v", name, a)
	}
	was, _ := proto.GetExtension(old.GetOptions(), privacyv1.E_Reason).(string)
	is, _ := proto.GetExtension(now.GetOptions(), privacyv1.E_Reason).(string)
	if was != "" && is == "" && extOf(now.Options, privacyv1.E_Class) == privacyv1.Class_PLAIN {
		refuse("%s: the reason is gone", name)
	}
}

func extOf(o proto.Message, e protoreflect.ExtensionType) privacyv1.Class {
	c, _ := proto.GetExtension(o, e).(privacyv1.Class)
	return c
}

// TestReleasedClassesFinds proves that each kind of weakening is found, and that
// what is allowed passes.
func TestReleasedClassesFinds(t *testing.T) {
	user := func(f *descriptorpb.FileDescriptorProto, msg, field string) *descriptorpb.FieldDescriptorProto {
		for _, m := range f.MessageType {
			for _, fd := range m.Field {
				if m.GetName() == msg && fd.GetName() == field {
					return fd
				}
			}
		}
		t.Fatalf("no field %s.%s", msg, field)
		return nil
	}
	message := func(f *descriptorpb.FileDescriptorProto, name string) *descriptorpb.DescriptorProto {
		i := slices.IndexFunc(f.MessageType, func(m *descriptorpb.DescriptorProto) bool { return m.GetName() == name })
		return f.MessageType[i]
	}
	type file = descriptorpb.FileDescriptorProto
	for _, tt := range []struct {
		name  string
		alter func(*file)
		want  string // empty: allowed
	}{
		{"nothing", func(*file) {}, ""},
		{"class PLAIN", func(f *file) {
			proto.SetExtension(user(f, "User", "name").Options, privacyv1.E_Class, privacyv1.Class_PLAIN)
		}, "User.name: class PLAIN, released with USERNAME"},
		{"another class", func(f *file) {
			proto.SetExtension(user(f, "User", "name").Options, privacyv1.E_Class, privacyv1.Class_ASSET_ID)
		}, "User.name: class ASSET_ID, released with USERNAME"},
		{"no mark", func(f *file) { user(f, "User", "name").Options = nil }, "User.name: class CLASS_UNSPECIFIED"},
		{"PLAIN gets a class", func(f *file) {
			proto.SetExtension(user(f, "ProcessStart", "pid").Options, privacyv1.E_Class, privacyv1.Class_PROCESSES)
		}, ""},
		{"PLAIN without its mark", func(f *file) { user(f, "ProcessStart", "pid").Options = nil }, "ProcessStart.pid: the mark is gone"},
		{"no reason", func(f *file) { proto.ClearExtension(user(f, "PolicyApplied", "signer").Options, privacyv1.E_Reason) }, "PolicyApplied.signer: the reason is gone"},
		{"another type", func(f *file) {
			user(f, "ProcessStart", "pid").Type = descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum()
		}, "ProcessStart.pid: number 1 is pid of another name or type"},
		{"another name", func(f *file) { user(f, "User", "name").Name = proto.String("label") }, "User.name: number"},
		{"another number", func(f *file) { user(f, "User", "name").Number = proto.Int32(77) }, "User.name: another number"},
		{"governed by nothing", func(f *file) { message(f, "ProcessStart").Options = nil }, "ProcessStart: governed by CLASS_UNSPECIFIED"},
		{"single events as a summary", func(f *file) {
			proto.SetExtension(message(f, "ProcessStart").Options, privacyv1.E_Summary, true)
		}, "ProcessStart: a summary: true"},
		{"new field", func(f *file) {
			m := message(f, "User")
			n := proto.Clone(m.Field[0]).(*descriptorpb.FieldDescriptorProto)
			n.Name, n.Number = proto.String("fresh"), proto.Int32(77)
			m.Field = append(m.Field, n)
		}, ""},
		{"field taken away", func(f *file) { m := message(f, "User"); m.Field = m.Field[:len(m.Field)-1] }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old := protodesc.ToFileDescriptorProto(eventv1.File_event_v1_event_proto)
			now := proto.Clone(old).(*file)
			tt.alter(now)
			got := strings.Join(weaker(old, now), "; ")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("weaker = %q; want %q", got, tt.want)
			}
		})
	}
}

// releasedLevels is the table of presets as it was released last: key, then
// strict, balanced, classic. A preset may become stricter, never laxer.
const releasedLevels = `
username hashed hashed cleartext
upn drop drop drop
user_sid drop drop hashed
device_name hashed auto cleartext
asset_id cleartext cleartext cleartext
device_serial drop drop cleartext
local_addresses drop scope cleartext
program_name generalised generalised cleartext
program_path drop generalised generalised
program_sha256 drop cleartext cleartext
program_signer drop generalised cleartext
software cleartext cleartext cleartext
processes summary summary each
connections summary summary summary
destinations scope cleartext cleartext
domains drop drop drop
summary_interval day quarter_hour quarter_hour
wifi_quality cleartext cleartext cleartext
wifi_ssid drop drop drop
wifi_bssid drop drop drop
focus_time drop drop drop
user_activity drop hour full
logons drop hour full
`

// TestReleasedPresets refuses a preset that is laxer than the released one, and
// a key that is gone.
func TestReleasedPresets(t *testing.T) {
	for _, p := range laxer(releasedLevels, keyTable[:]) {
		t.Error(p)
	}
}

func laxer(was string, now []KeyInfo) []string {
	var out []string
	for line := range strings.Lines(was) {
		word := strings.Fields(line)
		if len(word) == 0 {
			continue
		}
		i := slices.IndexFunc(now, func(k KeyInfo) bool { return k.Name == word[0] })
		if i < 0 {
			out = append(out, word[0]+": the key is gone")
			continue
		}
		for j, is := range []Level{now[i].Strict, now[i].Balanced, now[i].Classic} {
			if l, ok := ParseLevel(word[j+1]); !ok || cmp.Compare(is, l) > 0 {
				out = append(out, fmt.Sprintf("%s: preset %d is %v, released as %s", word[0], j, is, word[j+1]))
			}
		}
	}
	return out
}

func TestReleasedPresetsFinds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		alter func(*KeyInfo)
		want  int
	}{
		{"nothing", func(*KeyInfo) {}, 0},
		{"laxer", func(k *KeyInfo) { k.Balanced = Cleartext }, 1},
		{"stricter", func(k *KeyInfo) { k.Balanced = Drop }, 0},
		{"gone", func(k *KeyInfo) { k.Name = "account" }, 1},
	} {
		table := slices.Clone(keyTable[:])
		tt.alter(&table[Username])
		if got := laxer(releasedLevels, table); len(got) != tt.want {
			t.Errorf("%s: laxer = %q; want %d", tt.name, got, tt.want)
		}
	}
}
