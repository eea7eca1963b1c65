package storetest

import (
	"context"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var peopleCases = []storeCase{
	{"person/retrieve", personRetrieve},
	{"person/names_of_all_kinds", personNames},
	{"person/roles_are_nobody", personRoles},
	{"person/delete", personDelete},
	{"person/anonymise", personAnonymise},
	{"person/restrict", personRestrict},
	{"person/by_device", personByDevice},
	{"person/every_kind_of_event", personKinds},
}

func personRetrieve(f *fixture) {
	f.put(devA, epoch(1), 1, usage(at(1), "ann", "a"), usage(at(0), "ben", "b"), usage(at(2), "ann", "c"))
	f.put(devB, epoch(1), 1, usage(at(0), "ann", "d"))
	ann := f.one(gateway.Person, "ann")
	got := f.retrieve(ann)
	f.wantLines("Retrieve(ann)", got, "0a/1/1 use ann a", "0a/1/3 use ann c", "1b/1/1 use ann d")
	if len(got) == 3 && got[0] != "0a/1/3 use ann c" {
		f.Errorf("Retrieve(ann) begins with %q; want the oldest day", got[0])
	}
	f.wantLines("Retrieve(ann, ann, unknown)", f.retrieve(ann, ann, gateway.SubjectID{1}), got...)
	f.wantLines("Retrieve()", f.retrieve())
	subjects, err := f.Subjects(context.Background(), gateway.Query{IDs: []gateway.SubjectID{ann}})
	if err != nil || len(subjects) != 1 || subjects[0].Name != "ann" || subjects[0].Kind != gateway.Person {
		f.Errorf("Subjects(by id) = %d subjects, %v; want ann", len(subjects), err)
	}
	for range f.Retrieve(context.Background(), []gateway.SubjectID{ann}) {
		break // a reader who leaves holds nothing
	}
	f.erase("Delete", f.Delete, gateway.Erased{Subjects: 1, Events: 3}, ann)
}

func personNames(f *fixture) {
	for i, u := range []*eventv1.User{{Name: "ann"}, {Name: "ann", Upn: "ann@corp"}, {Upn: "ann@corp"}, {Sid: "S-1-5-21-7"}} {
		ev := usage(at(0), "", "p")
		ev.GetExecutionSummary().User = u
		f.put(devA, epoch(1), uint64(i+1), ev)
	}
	for name, want := range map[string]int{"ann": 2, "ann@corp": 2, "S-1-5-21-7": 1, "Ann": 0, "": 0, "an%": 0, "' OR 1=1 --": 0} {
		if got := f.find(gateway.Person, name); len(got) != want {
			f.Errorf("Subjects(%q) = %d; want %d", name, len(got), want)
		}
	}
	if got := f.find(gateway.Person, "ann", "S-1-5-21-7"); len(got) != 3 {
		f.Errorf("Subjects(two names) = %d; want 3", len(got))
	}
	if got := f.find(gateway.Person); len(got) != 4 {
		f.Errorf("Subjects() = %d; want 4", len(got))
	}
	if got := f.find(0); len(got) != 5 {
		f.Errorf("Subjects(any kind) = %d; want 5", len(got))
	}
}

func personRoles(f *fixture) {
	f.put(devA, epoch(1), 1, usage(at(0), "@system", "cron"), usage(at(0), "@service", "dns"), usage(at(0), "", "none"))
	if got := f.find(gateway.Person); len(got) != 0 {
		f.Errorf("Subjects() = %d; want 0: a role is no person", len(got))
	}
	f.wantLines("Events(0)", f.all(0), "0a/1/1 use @system cron", "0a/1/2 use @service dns", "0a/1/3 use  none")
}

func personDelete(f *fixture) {
	batch := []*eventv1.Event{usage(at(1), "ann", "a"), usage(at(0), "ben", "b"), usage(at(0), "ann", "c")}
	f.put(devA, epoch(1), 1, batch...)
	ann := f.one(gateway.Person, "ann")
	f.erase("Delete", f.Delete, gateway.Erased{Subjects: 1, Events: 2}, ann)
	f.erase("Delete again", f.Delete, gateway.Erased{}, ann)
	f.wantAcked(devA, epoch(1), 3)
	f.put(devA, epoch(1), 1, batch...)
	f.reopen()
	f.put(devA, epoch(1), 1, batch...)
	f.wantLines("Events(0)", f.all(0), "0a/1/2 use ben b")
	if got := f.find(gateway.Person, "ann"); len(got) != 0 {
		f.Errorf("Subjects(ann) after a resend = %d; want 0", len(got))
	}
	f.wantLines("Retrieve(deleted)", f.retrieve(ann))
	f.put(devA, epoch(1), 4, usage(at(0), "ann", "new"))
	if f.one(gateway.Person, "ann") == ann {
		f.Errorf("a person who came back has the old id; want a new one")
	}
}

func personAnonymise(f *fixture) {
	batch := []*eventv1.Event{usage(at(0), "ann", "a"), usage(at(0), "ben", "b")}
	f.put(devA, epoch(1), 1, batch...)
	ann := f.one(gateway.Person, "ann")
	f.erase("Anonymise", f.Anonymise, gateway.Erased{Subjects: 1, Events: 1}, ann)
	f.wantLines("Events(0)", f.all(0), "0a/1/1 use  a", "0a/1/2 use ben b")
	f.wantLines("Retrieve(anonymous)", f.retrieve(ann), "0a/1/1 use  a")
	f.put(devA, epoch(1), 1, batch...)
	if got := f.find(gateway.Person, "ann"); len(got) != 0 {
		f.Errorf("Subjects(ann) after a resend = %d; want 0", len(got))
	}
	f.put(devA, epoch(1), 3, usage(at(0), "ann", "new"))
	if f.one(gateway.Person, "ann") == ann {
		f.Errorf("a person who came back has the anonymous id; want a new one")
	}
	f.wantLines("Retrieve(anonymous)", f.retrieve(ann), "0a/1/1 use  a")
	f.erase("Delete", f.Delete, gateway.Erased{Subjects: 1, Events: 1}, ann)
	f.wantLines("Events(0)", f.all(0), "0a/1/2 use ben b", "0a/1/3 use ann new")
}

func personRestrict(f *fixture) {
	f.put(devA, epoch(1), 1, usage(at(1), "ann", "a"), usage(at(0), "ben", "b"), usage(at(0), "ann", "c"))
	ann := f.one(gateway.Person, "ann")
	f.restrict(true, ann)
	f.wantLines("Events(0)", f.all(0), "0a/1/2 use ben b")
	f.wantLines("Events(2)", f.all(2), "0a/1/2 use ben b")
	f.wantLines("Retrieve(restricted)", f.retrieve(ann), "0a/1/1 use ann a", "0a/1/3 use ann c")
	if got := f.find(gateway.Person, "ann"); len(got) != 1 || !got[0].Restricted {
		f.Errorf("Subjects(ann) = %d; want one, restricted", len(got))
	}
	f.put(devA, epoch(1), 4, usage(at(0), "ann", "later"))
	f.wantLines("Events(0)", f.all(0), "0a/1/2 use ben b")
	f.restrict(false, ann)
	if got := f.all(0); len(got) != 4 {
		f.Errorf("Events(0) without restriction = %d; want 4", len(got))
	}
}

func (f *fixture) restrict(on bool, ids ...gateway.SubjectID) {
	f.Helper()
	if err := f.Restrict(context.Background(), ids, on); err != nil {
		f.Errorf("Restrict(%v) = %v; want nil", on, err)
	}
}

func personByDevice(f *fixture) {
	f.put(devA, epoch(1), 1, usage(at(1), "ann", "a"), usage(at(0), "ben", "b"))
	f.put(devB, epoch(1), 1, usage(at(0), "ben", "c"))
	for dev, want := range map[gateway.Device]int{devA: 2, devB: 1, "nobody's": 0} {
		got, err := f.Subjects(context.Background(), gateway.Query{Kind: gateway.Person, Device: dev})
		if err != nil || len(got) != want {
			f.Errorf("Subjects(people of a device) = %d, %v; want %d", len(got), err, want)
		}
	}
}

// personKinds checks that no kind that names a user is forgotten.
func personKinds(f *fixture) {
	u := func() *eventv1.User { return &eventv1.User{Name: "ann", Upn: "upn", Sid: "sid"} }
	events := []*eventv1.Event{
		{Kind: &eventv1.Event_ProcessStart{ProcessStart: &eventv1.ProcessStart{User: u()}}},
		{Kind: &eventv1.Event_ProcessStop{ProcessStop: &eventv1.ProcessStop{User: u()}}},
		{Kind: &eventv1.Event_ExecutionSummary{ExecutionSummary: &eventv1.ExecutionSummary{User: u()}}},
		{Kind: &eventv1.Event_Connection{Connection: &eventv1.Connection{User: u()}}},
		{Kind: &eventv1.Event_ConnectionSummary{ConnectionSummary: &eventv1.ConnectionSummary{User: u()}}},
		{Kind: &eventv1.Event_DomainSeen{DomainSeen: &eventv1.DomainSeen{User: u()}}},
		{Kind: &eventv1.Event_Focus{Focus: &eventv1.Focus{User: u()}}},
		{Kind: &eventv1.Event_UserActivity{UserActivity: &eventv1.UserActivity{User: u()}}},
		{Kind: &eventv1.Event_Logon{Logon: &eventv1.Logon{User: u()}}},
	}
	for _, ev := range events {
		ev.TimeUnixMs = at(0).UnixMilli()
	}
	f.put(devA, epoch(1), 1, events...)
	ann := f.one(gateway.Person, "ann")
	n := 0
	for st, err := range f.Retrieve(context.Background(), []gateway.SubjectID{ann}) {
		if err != nil {
			f.Fatal(err)
		}
		wantEqual(f, st.Event, events[st.Seq-1])
		n++
	}
	if n != len(events) {
		f.Errorf("Retrieve(ann) = %d events; want %d", n, len(events))
	}
}
