package storetest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// fleetStore is what the cases of this file need beside a store and a registry.
type fleetStore interface {
	gateway.StateStore
	gateway.Lineage
}

var fleetCases = []struct {
	name string
	run  func(t *testing.T, s gateway.Store, r gateway.Registry, f fleetStore)
}{
	{"newest_state_is_kept", newestState},
	{"state_goes_with_machine_and_day", stateGoes},
	{"enrolment_supersedes", enrolmentSupersedes},
	{"family_over_three", familyOverThree},
	{"revoked_stays_revoked", revokedStays},
}

const devC = gateway.Device("2c7d1d0c-3d09-4b3a-8a1a-2b4b481b7c03")

// put puts records, or fails the test.
func put(t *testing.T, r gateway.Registry, all ...gateway.DeviceRecord) {
	t.Helper()
	for _, d := range all {
		if err := r.PutDevice(context.Background(), d); err != nil {
			t.Fatalf("PutDevice(%.2s) = %v; want nil", d.Device, err)
		}
	}
}

func machineID(t *testing.T, s gateway.Store, dev gateway.Device) gateway.SubjectID {
	t.Helper()
	found, err := s.Subjects(context.Background(), gateway.Query{Kind: gateway.Machine, Device: dev})
	if err != nil || len(found) != 1 {
		t.Fatalf("Subjects(machine %.2s) = %d, %v; want 1", dev, len(found), err)
	}
	return found[0].ID
}

func states(t *testing.T, f fleetStore) map[gateway.Device]gateway.DeviceState {
	t.Helper()
	list, err := f.States(context.Background())
	if err != nil || !slices.IsSortedFunc(list, func(a, b gateway.DeviceState) int { return cmpDevice(a.Device, b.Device) }) {
		t.Fatalf("States() = %d, %v; want sorted ones", len(list), err)
	}
	all := map[gateway.Device]gateway.DeviceState{}
	for _, st := range list {
		all[st.Device] = st
	}
	return all
}

func cmpDevice(a, b gateway.Device) int {
	if a < b {
		return -1
	}
	return 1
}

func newestState(t *testing.T, _ gateway.Store, r gateway.Registry, f fleetStore) {
	ctx := context.Background()
	put(t, r, gateway.DeviceRecord{Device: devA}, gateway.DeviceRecord{Device: devB})
	const refused = eventv1.PolicyRefusal_POLICY_REFUSAL_OLDER
	health := func(rss uint64) *eventv1.AgentHealth { return &eventv1.AgentHealth{RssBytes: rss, ConfigOk: true} }
	for _, st := range []gateway.DeviceState{
		{Device: devA, Health: health(1), HealthAt: at(3)},
		{Device: devA, Policy: &eventv1.PolicyApplied{Accepted: true}, PolicyAt: at(3)},
		{Device: devA, Health: health(2), HealthAt: at(2)},
		{Device: devA, Health: health(9), HealthAt: at(4)},                                // comes late
		{Device: devB, Health: health(3), HealthAt: at(-400)},                             // a clock that runs ahead
		{Device: devB, Health: health(4), HealthAt: Now, Policy: nil, PolicyAt: at(-400)}, // and was mended
		{Device: devA, Push: &gateway.PushState{Version: 7}, PushAt: at(2)},
		{Device: devA, Push: &gateway.PushState{Version: 8, Reason: refused}, PushAt: at(1)},
		{Device: devA, Push: &gateway.PushState{Version: 6}, PushAt: at(3)}, // comes late
	} {
		if err := f.PutState(ctx, st); err != nil {
			t.Fatalf("PutState() = %v; want nil", err)
		}
	}
	all := states(t, f)
	a, b := all[devA], all[devB]
	if a.Push == nil || *a.Push != (gateway.PushState{Version: 8, Reason: refused}) || !a.PushAt.Equal(at(1)) || b.Push != nil {
		t.Errorf("States() = %+v and %+v; want the newest word of a push", a.Push, b.Push)
	}
	if len(all) != 2 || !proto.Equal(a.Health, health(2)) || !a.HealthAt.Equal(at(2)) || !a.Policy.GetAccepted() || !a.PolicyAt.Equal(at(3)) {
		t.Errorf("States() = %+v; want the newest of each part", a)
	}
	if b.Health.GetRssBytes() != 4 || !b.HealthAt.Equal(Now) || b.Policy != nil {
		t.Errorf("States() after a broken clock = %+v; want what came last", b)
	}
	if err := f.PutState(ctx, gateway.DeviceState{Device: devC, Health: health(1), HealthAt: Now}); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("PutState(unknown) = %v; want ErrNotFound", err)
	}
}

func stateGoes(t *testing.T, s gateway.Store, r gateway.Registry, f fleetStore) {
	ctx := context.Background()
	put(t, r, gateway.DeviceRecord{Device: devA}, gateway.DeviceRecord{Device: devB})
	for dev, days := range map[gateway.Device]int{devA: 1, devB: 5} {
		err := f.PutState(ctx, gateway.DeviceState{Device: dev, Health: &eventv1.AgentHealth{}, HealthAt: at(days), Policy: &eventv1.PolicyApplied{}, PolicyAt: at(5), Push: &gateway.PushState{Version: 1}, PushAt: at(5)})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Expire(ctx, at(3)); err != nil {
		t.Fatal(err)
	}
	all := states(t, f)
	if all[devA].Health == nil || all[devA].Policy != nil || all[devA].Push != nil || all[devB].Health != nil || all[devB].Policy != nil {
		t.Errorf("States() after Expire = %+v; want the young account alone", all)
	}
	if _, err := s.Delete(ctx, []gateway.SubjectID{machineID(t, s, devA)}); err != nil {
		t.Fatal(err)
	}
	put(t, r, gateway.DeviceRecord{Device: devA})
	if st := states(t, f)[devA]; st.Health != nil {
		t.Errorf("States() after Delete = %+v; want no account", st)
	}
}

// enrol enrols a device and wants these records to lose their place.
func enrol(t *testing.T, f fleetStore, d gateway.DeviceRecord, live func(gateway.Device) bool, want ...gateway.Device) {
	t.Helper()
	got, err := f.EnrolDevice(context.Background(), d, live)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("EnrolDevice(%.2s) = %v, %v; want %v", d.Device, got, err, want)
	}
}

func enrolmentSupersedes(t *testing.T, s gateway.Store, r gateway.Registry, f fleetStore) {
	ctx := context.Background()
	for _, c := range []struct {
		name     string
		old, new gateway.DeviceRecord
		live     bool
		takes    bool
	}{
		{"same asset id, same group", gateway.DeviceRecord{AssetID: "A-1", Group: "g"}, gateway.DeviceRecord{AssetID: "A-1", Group: "g"}, false, true},
		{"another asset id", gateway.DeviceRecord{AssetID: "A-1", Group: "g"}, gateway.DeviceRecord{AssetID: "A-2", Group: "g"}, false, false},
		{"case is part of it", gateway.DeviceRecord{AssetID: "a-1", Group: "g"}, gateway.DeviceRecord{AssetID: "A-1", Group: "g"}, false, false},
		{"another group", gateway.DeviceRecord{AssetID: "A-1", Group: "g"}, gateway.DeviceRecord{AssetID: "A-1", Group: "h"}, false, false},
		{"no asset id", gateway.DeviceRecord{Group: "g"}, gateway.DeviceRecord{Group: "g"}, false, false},
		{"the old one is connected", gateway.DeviceRecord{AssetID: "A-1", Group: "g"}, gateway.DeviceRecord{AssetID: "A-1", Group: "g"}, true, false},
	} {
		c.old.Device, c.new.Device = devA, devB
		put(t, r, c.old)
		var want []gateway.Device
		if c.takes {
			want = []gateway.Device{devA}
		}
		enrol(t, f, c.new, func(gateway.Device) bool { return c.live }, want...)
		old, err := r.Device(ctx, devA)
		st := states(t, f)
		if err != nil || old.Revoked != c.takes || (st[devA].SupersededBy == devB) != c.takes || st[devB].SupersededBy != "" {
			t.Errorf("%s: revoked %t, superseded by %q, %v; want %t", c.name, old.Revoked, st[devA].SupersededBy, err, c.takes)
		}
		if got, err := r.Device(ctx, devB); err != nil || !reflect.DeepEqual(got, c.new) {
			t.Errorf("%s: Device(new) = %+v, %v; want %+v", c.name, got, err, c.new)
		}
		if _, err := s.Delete(ctx, []gateway.SubjectID{machineID(t, s, devA), machineID(t, s, devB)}); err != nil {
			t.Fatal(err)
		}
	}
}

func familyOverThree(t *testing.T, s gateway.Store, r gateway.Registry, f fleetStore) {
	ctx := context.Background()
	record := func(dev gateway.Device) gateway.DeviceRecord {
		return gateway.DeviceRecord{Device: dev, AssetID: "A-1", Group: "g", Enrolled: Now}
	}
	family := func(dev gateway.Device, want ...gateway.Device) {
		t.Helper()
		if got, err := f.Family(ctx, dev); err != nil || !slices.Equal(got, want) {
			t.Errorf("Family(%.2s) = %v, %v; want %v", dev, got, err, want)
		}
	}
	enrol(t, f, record(devA), nil)
	if err := s.Append(ctx, devA, epoch(1), 1, []*eventv1.Event{machine(at(1), "host")}); err != nil {
		t.Fatal(err)
	}
	enrol(t, f, record(devB), nil, devA)
	enrol(t, f, record(devC), nil, devB) // A has lost its place already
	for _, dev := range []gateway.Device{devA, devB, devC} {
		family(dev, devA, devB, devC)
	}
	family("none")
	if got, err := s.Subjects(ctx, gateway.Query{Kind: gateway.Machine, Device: devA}); err != nil || len(got) != 1 || got[0].Events != 1 {
		t.Errorf("Subjects(superseded) = %+v, %v; want its event still there", got, err)
	}
	// A name that was taken off must not be found through the other record.
	if _, err := s.Anonymise(ctx, []gateway.SubjectID{machineID(t, s, devC)}); err != nil {
		t.Fatal(err)
	}
	family(devC, devC)
	family(devA, devA, devB)
	if !states(t, f)[devC].Anonymous {
		t.Error("States() after Anonymise: not anonymous")
	}
	if _, err := s.Delete(ctx, []gateway.SubjectID{machineID(t, s, devB)}); err != nil {
		t.Fatal(err)
	}
	family(devA, devA)
	if got, err := r.Device(ctx, devA); err != nil || !got.Revoked {
		t.Errorf("Device(superseded) after its successor's deletion: revoked %t, %v; want revoked", got.Revoked, err)
	}
	if _, err := s.Expire(ctx, Now.Add(500*24*time.Hour)); err != nil {
		t.Errorf("Expire() = %v; want nil", err)
	}
}

func revokedStays(t *testing.T, _ gateway.Store, r gateway.Registry, f fleetStore) {
	put(t, r, gateway.DeviceRecord{Device: devA, Revoked: true})
	put(t, r, gateway.DeviceRecord{Device: devA})
	if got, err := r.Device(context.Background(), devA); err != nil || !got.Revoked {
		t.Errorf("Device() after PutDevice over a revoked one: revoked %t, %v; want revoked", got.Revoked, err)
	}
	enrol(t, f, gateway.DeviceRecord{Device: devA}, nil)
	if got, _ := r.Device(context.Background(), devA); !got.Revoked {
		t.Error("Device() after EnrolDevice over a revoked one: not revoked")
	}
}
