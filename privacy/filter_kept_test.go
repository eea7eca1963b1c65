package privacy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestKeptForgets: a name that is met later is scrubbed from what was kept
// before.
func TestKeptForgets(t *testing.T) {
	f := newSampleFilter(t, preset(t, "balanced"))
	start := startEvent(&eventv1.ProcessStart{
		Program: &eventv1.Program{Name: "zzcanary-tool", Path: "/opt/zzcanary/tool"},
		User:    &eventv1.User{Name: "root", Sid: "0"},
	})
	path := func() string {
		c, ok := f.Apply(start)
		if !ok {
			t.Fatal("Apply = false")
		}
		return decode(t, c).GetExecutionSummary().GetProgram().GetPath()
	}
	path()
	if got := path(); got != "/opt/zzcanary/tool" {
		t.Fatalf("path before the name is known = %q; want it as it is", got)
	}
	f.Apply(&eventv1.Event{Kind: &eventv1.Event_Logon{Logon: &eventv1.Logon{User: &eventv1.User{Name: "zzcanary", Sid: "1000"}}}})
	if got := path(); got != "/opt/<id>/tool" {
		t.Errorf("path after the name is known = %q; want /opt/<id>/tool", got)
	}
}

// TestKeptIsExact: with more programs than slots, and with values that run into
// each other, each program gets what a new filter makes of it.
func TestKeptIsExact(t *testing.T) {
	p := preset(t, "balanced")
	f := newSampleFilter(t, p)
	var starts []*eventv1.Event
	add := func(program *eventv1.Program) {
		starts = append(starts, startEvent(&eventv1.ProcessStart{Program: program}))
	}
	for i := range 3 * keptSlots {
		add(&eventv1.Program{Name: fmt.Sprint("tool", i), Path: fmt.Sprint("/usr/bin/tool", i)})
	}
	add(&eventv1.Program{Name: "ab", Version: "c"})
	add(&eventv1.Program{Name: "a", Version: "bc"})
	add(&eventv1.Program{Name: "", Version: "abc"})
	add(&eventv1.Program{Product: "abc"})
	add(&eventv1.Program{})
	add(&eventv1.Program{Name: strings.Repeat("x", 2*keptBytes)})
	for range 2 {
		for _, ev := range starts {
			c, ok := f.Apply(ev)
			want, _ := newSampleFilter(t, p).Apply(ev)
			if !ok || !bytes.Equal(c.AppendTo(nil), want.AppendTo(nil)) {
				t.Fatalf("Apply(%q) is not what a new filter makes of it", ev.GetProcessStart().GetProgram().GetName())
			}
		}
	}
}

// TestKeptTellsFieldsApart: messages that differ in one field, whichever it is,
// are not taken for each other, though there are more of them than slots.
func TestKeptTellsFieldsApart(t *testing.T) {
	p := laxest()
	f, other := newSampleFilter(t, p), newSampleFilter(t, p)
	for _, of := range []protoreflect.Name{"program", "user"} {
		fields := (&eventv1.ProcessStart{}).ProtoReflect().Descriptor().Fields().ByName(of).Message().Fields()
		for i := range fields.Len() {
			var events []*eventv1.Event
			var want [][]byte
			for n := range 2 * keptSlots {
				ev := filled(kindFields()[0])
				m := ev.GetProcessStart().ProtoReflect()
				m.Mutable(m.Descriptor().Fields().ByName(of)).Message().Set(fields.Get(i), sampleValue(fields.Get(i), &n))
				clear(other.kept.Program.slots[:])
				clear(other.kept.User.slots[:])
				c, _ := other.Apply(ev)
				events, want = append(events, ev), append(want, c.AppendTo(nil))
			}
			for range 2 { // names are learned in the first round
				for n, ev := range events {
					if c, _ := f.Apply(ev); !bytes.Equal(c.AppendTo(nil), want[n]) {
						t.Fatalf("events that differ in %s are taken for each other", fields.Get(i).FullName())
					}
				}
			}
		}
	}
}

// TestPrintsNothing: neither a filter nor what it made shows values in a log.
func TestPrintsNothing(t *testing.T) {
	f := newSampleFilter(t, laxest())
	c, _ := f.Apply(sampleEvents()["process_start"][0])
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		for _, v := range []any{f, c, &c} {
			if got := fmt.Sprintf(verb, v); got != redactedText {
				t.Errorf("%s of %T = %.40q; want %s", verb, v, got, redactedText)
			}
		}
	}
}
