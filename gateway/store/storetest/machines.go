package storetest

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var machineCases = []storeCase{
	{"machine/retrieve", machineRetrieve},
	{"machine/newest_name", machineName},
	{"machine/delete", machineDelete},
	{"machine/anonymise", machineAnonymise},
	{"machine/restrict", machineRestrict},
}

var readCases = []storeCase{
	{"events/newest", eventsNewest},
	{"events/many", eventsMany},
	{"events/erase_while_reading", eventsErase},
}

func wantEqual(f *fixture, got, want *eventv1.Event) {
	f.Helper()
	if !proto.Equal(got, want) {
		f.Errorf("stored %T differs from what was sent", want.GetKind())
	}
}

func named(name string) string {
	return fmt.Sprintf("device %s asset-of-%s serial-of-%s [tag-of-%s] [address-of-%s]", name, name, name, name, name)
}

func machineRetrieve(f *fixture) {
	f.put(devA, epoch(1), 1, machine(at(0), "host-a"), usage(at(1), "ann", "a"), usage(at(0), "", "b"))
	f.put(devB, epoch(1), 1, usage(at(0), "ann", "c"))
	a := f.one(gateway.Machine, "host-a")
	f.wantLines("Retrieve(host-a)", f.retrieve(a), "0a/1/1 "+named("host-a"), "0a/1/2 use ann a", "0a/1/3 use  b")
	f.wantLines("Retrieve(host-a, ann)", f.retrieve(a, f.one(gateway.Person, "ann")),
		"0a/1/1 "+named("host-a"), "0a/1/2 use ann a", "0a/1/3 use  b", "1b/1/1 use ann c")
	got, err := f.Subjects(context.Background(), gateway.Query{Kind: gateway.Machine, Device: devA})
	if err != nil || len(got) != 1 || got[0].ID != a || got[0].Device != devA || got[0].Name != "host-a" || got[0].Events != 3 {
		f.Errorf("Subjects(machine by id) = %+v, %v; want host-a with 3 events", got, err)
	}
	if got := f.find(gateway.Machine); len(got) != 2 {
		f.Errorf("Subjects(machines) = %d; want 2, one without a name", len(got))
	}
}

func machineName(f *fixture) {
	f.put(devA, epoch(1), 1, machine(at(1), "second"))
	f.put(devA, epoch(1), 2, machine(at(2), "first"))
	f.one(gateway.Machine, "second")
	f.put(devA, epoch(1), 3, machine(at(0), "third"))
	f.one(gateway.Machine, "third")
}

func machineDelete(f *fixture) {
	batch := []*eventv1.Event{machine(at(1), "host-a"), usage(at(1), "ann", "a"), usage(at(0), "ben", "b")}
	f.put(devA, epoch(1), 1, batch...)
	f.gap(devA, gateway.Gap{Epoch: epoch(1), Seq: 4, Lost: epoch(1), First: 5, Last: 6, Count: 2})
	f.put(devB, epoch(1), 1, usage(at(0), "ben", "c"))
	r, isRegistry := f.Store.(gateway.Registry)
	if isRegistry {
		if err := r.PutDevice(context.Background(), gateway.DeviceRecord{Device: devA, Group: "g"}); err != nil {
			f.Fatal(err)
		}
	}
	// The machine, and ann: nothing else speaks of her.
	f.erase("Delete", f.Delete, gateway.Erased{Subjects: 2, Events: 3}, f.one(gateway.Machine, "host-a"))
	f.wantLines("Events(0)", f.all(0), "1b/1/1 use ben c")
	if got := f.find(0); len(got) != 2 {
		f.Errorf("Subjects() = %d; want 2: ben and the other machine", len(got))
	}
	if isRegistry {
		if _, err := r.Device(context.Background(), devA); !errors.Is(err, gateway.ErrNotFound) {
			f.Errorf("Device(deleted) = %v; want ErrNotFound", err)
		}
	}
	if t := f.totals(); t.Gaps != 0 {
		f.Errorf("Totals().Gaps = %d; want 0", t.Gaps)
	}
	f.wantAcked(devA, epoch(1), 6)
	f.reopen()
	f.put(devA, epoch(1), 1, batch...)
	f.wantAcked(devA, epoch(1), 6)
	if got := f.find(0); len(got) != 2 {
		f.Errorf("Subjects() after a resend = %d; want 2", len(got))
	}
	f.put(devA, epoch(1), 7, usage(at(0), "ann", "new"))
	f.wantLines("Events(0)", f.all(0), "1b/1/1 use ben c", "0a/1/7 use ann new")
}

func machineAnonymise(f *fixture) {
	f.put(devA, epoch(1), 1, machine(at(0), "host-a"), usage(at(0), "ann", "a"))
	f.put(devB, epoch(1), 1, machine(at(0), "host-b"))
	r, isRegistry := f.Store.(gateway.Registry)
	rec := gateway.DeviceRecord{Device: devA, Group: "g", AssetID: "asset", Tags: []string{"tag"}}
	if isRegistry {
		if err := r.PutDevice(context.Background(), rec); err != nil {
			f.Fatal(err)
		}
	}
	f.erase("Anonymise", f.Anonymise, gateway.Erased{Subjects: 1, Events: 2}, f.one(gateway.Machine, "host-a"))
	f.put(devA, epoch(1), 3, machine(at(0), "host-a"))
	const bare = "device    [] []"
	f.wantLines("Events(0)", f.all(0), "0a/1/1 "+bare, "0a/1/2 use ann a", "0a/1/3 "+bare, "1b/1/1 "+named("host-b"))
	if got := f.find(gateway.Machine, "host-a"); len(got) != 0 {
		f.Errorf("Subjects(host-a) = %d; want 0", len(got))
	}
	if !isRegistry {
		return
	}
	for range 2 {
		got, err := r.Device(context.Background(), devA)
		if err != nil || got.AssetID != "" || len(got.Tags) != 0 || got.Group != "g" {
			f.Errorf("Device(anonymous) = %+v, %v; want no asset id and no tags", got, err)
		}
		if err := r.PutDevice(context.Background(), rec); err != nil {
			f.Fatal(err)
		}
	}
}

func machineRestrict(f *fixture) {
	f.put(devA, epoch(1), 1, machine(at(0), "host-a"), usage(at(0), "ann", "a"))
	f.put(devB, epoch(1), 1, usage(at(0), "ann", "b"))
	f.restrict(true, f.one(gateway.Machine, "host-a"))
	f.wantLines("Events(0)", f.all(0), "1b/1/1 use ann b")
	f.wantLines("Events(5)", f.all(5), "1b/1/1 use ann b")
	if got := f.retrieve(f.one(gateway.Machine, "host-a")); len(got) != 2 {
		f.Errorf("Retrieve(restricted machine) = %d; want 2", len(got))
	}
}

func eventsNewest(f *fixture) {
	f.put(devA, epoch(1), 1, usage(at(0), "ann", "1"), usage(at(2), "ann", "2"), usage(at(1), "ann", "3"), usage(at(0).Add(1e9), "ann", "4"))
	want := []string{"0a/1/2 use ann 2", "0a/1/3 use ann 3", "0a/1/1 use ann 1", "0a/1/4 use ann 4"}
	for n := range 6 {
		from := 0
		if n > 0 {
			from = max(0, 4-n)
		}
		if got := f.all(n); fmt.Sprint(got) != fmt.Sprint(want[from:]) {
			f.Errorf("Events(%d) = %q; want %q", n, got, want[from:])
		}
	}
}

// eventsMany reads more rows than any store will read at once.
func eventsMany(f *fixture) {
	const n = 1000
	batch := make([]*eventv1.Event, n)
	for i := range batch {
		batch[i] = usage(at(i%3), "ann", "p")
	}
	f.put(devA, epoch(1), 1, batch...)
	for what, got := range map[string][]string{
		"Events(0)": f.all(0), "Retrieve(person)": f.retrieve(f.one(gateway.Person, "ann")), "Retrieve(machine)": f.retrieve(f.find(gateway.Machine)[0].ID),
	} {
		seen := map[string]bool{}
		for _, l := range got {
			seen[l] = true
		}
		if len(got) != n || len(seen) != n {
			f.Errorf("%s = %d events, %d different; want %d", what, len(got), len(seen), n)
		}
	}
	if got := f.all(999); len(got) != 999 {
		f.Errorf("Events(999) = %d; want 999", len(got))
	}
}

// eventsErase deletes a person while a slow reader stands in the middle of her
// events.
func eventsErase(f *fixture) {
	batch := make([]*eventv1.Event, 1000)
	for i := range batch {
		batch[i] = usage(at(0), "ann", "p")
	}
	f.put(devA, epoch(1), 1, batch...)
	n := 0
	for _, err := range f.Events(context.Background(), 0) {
		if err != nil {
			f.Fatalf("Events() = %v; want nil", err)
		}
		if n++; n == 1 {
			f.erase("Delete", f.Delete, gateway.Erased{Subjects: 1, Events: 1000}, f.one(gateway.Person, "ann"))
		}
	}
	if n == 1000 {
		f.Errorf("the reader got every event of a deleted person; want what it had read at most")
	}
}
