// Package storetest holds the suite that every store of the gateway passes. It
// knows gateway.Store and gateway.Registry and nothing of what lies behind them.
package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// Open opens the store in dir, made anew where dir is empty. Its clock stands at
// Now, it has no retention of its own, and the test closes it.
type Open func(t *testing.T, dir string) gateway.Store

// Now is the time at which the suite plays. A store under test takes it for the
// present.
var Now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// Run runs the suite.
func Run(t *testing.T, open func(t *testing.T, dir string) gateway.Store) {
	for _, c := range slices.Concat(appendCases, peopleCases, machineCases, readCases, modelCases, identityCases) {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir() + "/store"
			c.run(&fixture{T: t, open: open, dir: dir, Store: open(t, dir)})
		})
	}
	for _, c := range registryCases {
		t.Run("registry/"+c.name, func(t *testing.T) {
			s := open(t, t.TempDir()+"/store")
			r, ok := s.(gateway.Registry)
			if !ok {
				t.Fatalf("%T is no gateway.Registry", s)
			}
			c.run(t, s, r)
		})
	}
	for _, c := range fleetCases {
		t.Run("fleet/"+c.name, func(t *testing.T) {
			s := open(t, t.TempDir()+"/store")
			f, ok := s.(fleetStore)
			if !ok {
				t.Fatalf("%T keeps no states and no lineage", s)
			}
			c.run(t, s, s.(gateway.Registry), f)
		})
	}
}

// storeCase is one test of a store.
type storeCase struct {
	name string
	run  func(f *fixture)
}

// fixture is a store with shorthands that fail the test.
type fixture struct {
	*testing.T
	gateway.Store
	open Open
	dir  string
}

// reopen opens the same folder once more, without closing what is open: so
// looks a folder whose process was killed.
func (f *fixture) reopen() { f.Store = f.open(f.T, f.dir) }

const (
	devA = gateway.Device("0a9f3f0e-5f0b-4d5c-9c3c-0d6d6a3b9a01")
	devB = gateway.Device("1b8e2e1d-4e1a-4c4b-8b2b-1c5c592a8b02")
)

func epoch(n byte) gateway.Epoch { return gateway.Epoch{0: 0xe0, 15: n} }

// at is a time of the suite: so many days before Now.
func at(daysAgo int) time.Time { return Now.AddDate(0, 0, -daysAgo) }

// usage is a summary of one program of one person.
func usage(t time.Time, user, program string) *eventv1.Event {
	ev := &eventv1.Event{TimeUnixMs: t.UnixMilli(), BucketSeconds: 900}
	s := &eventv1.ExecutionSummary{Program: &eventv1.Program{Name: program}, Starts: 3}
	if user != "" {
		s.User = &eventv1.User{Name: user}
	}
	ev.Kind = &eventv1.Event_ExecutionSummary{ExecutionSummary: s}
	return ev
}

// machine is a device's account of itself.
func machine(t time.Time, name string) *eventv1.Event {
	return &eventv1.Event{TimeUnixMs: t.UnixMilli(), Kind: &eventv1.Event_Device{Device: &eventv1.Device{
		Name: name, AssetId: "asset-of-" + name, Serial: "serial-of-" + name, Tags: []string{"tag-of-" + name},
		Addresses: []string{"address-of-" + name}, System: eventv1.System_SYSTEM_LINUX, Cores: 8}}}
}

func (f *fixture) put(dev gateway.Device, ep gateway.Epoch, first uint64, events ...*eventv1.Event) {
	f.Helper()
	if err := f.Append(context.Background(), dev, ep, first, events); err != nil {
		f.Fatalf("Append(%d events from %d) = %v; want nil", len(events), first, err)
	}
}

func (f *fixture) gap(dev gateway.Device, g gateway.Gap) {
	f.Helper()
	if err := f.AppendGap(context.Background(), dev, g); err != nil {
		f.Fatalf("AppendGap(seq %d) = %v; want nil", g.Seq, err)
	}
}

func (f *fixture) wantAcked(dev gateway.Device, ep gateway.Epoch, want uint64) {
	f.Helper()
	got, err := f.Acked(context.Background(), dev, ep)
	if err != nil || got != want {
		f.Errorf("Acked() = %d, %v; want %d", got, err, want)
	}
}

// find returns the subjects of a kind that have one of the names.
func (f *fixture) find(kind gateway.SubjectKind, names ...string) []gateway.Subject {
	f.Helper()
	got, err := f.Subjects(context.Background(), gateway.Query{Kind: kind, Names: names})
	if err != nil {
		f.Fatalf("Subjects() = %v; want nil", err)
	}
	return got
}

// one returns the id of the only subject with that name.
func (f *fixture) one(kind gateway.SubjectKind, name string) gateway.SubjectID {
	f.Helper()
	got := f.find(kind, name)
	if len(got) != 1 {
		f.Fatalf("Subjects(%s) = %d subjects; want 1", name, len(got))
	}
	return got[0].ID
}

// all returns what Events yields, a line each.
func (f *fixture) all(n int) []string {
	f.Helper()
	var out []string
	for st, err := range f.Events(context.Background(), n) {
		if err != nil {
			f.Fatalf("Events() = %v; want nil", err)
		}
		out = append(out, line(st))
	}
	return out
}

func (f *fixture) retrieve(ids ...gateway.SubjectID) []string {
	f.Helper()
	var out []string
	for st, err := range f.Retrieve(context.Background(), ids) {
		if err != nil {
			f.Fatalf("Retrieve() = %v; want nil", err)
		}
		out = append(out, line(st))
	}
	return out
}

// line says in short what a stored event is.
func line(st gateway.Stored) string {
	var what string
	switch k := st.Event.GetKind().(type) {
	case *eventv1.Event_ExecutionSummary:
		what = strings.Join([]string{"use", k.ExecutionSummary.GetUser().GetName(), k.ExecutionSummary.GetProgram().GetName()}, " ")
	case *eventv1.Event_Device:
		what = fmt.Sprintf("device %s %s %s %v %v", k.Device.GetName(), k.Device.GetAssetId(), k.Device.GetSerial(), k.Device.GetTags(), k.Device.GetAddresses())
	default:
		what = "other"
	}
	return fmt.Sprintf("%s/%d/%d %s", st.Device[:2], st.Epoch[15], st.Seq, what)
}

func (f *fixture) totals() gateway.Totals {
	f.Helper()
	t, err := f.Totals(context.Background())
	if err != nil {
		f.Fatalf("Totals() = %v; want nil", err)
	}
	return t
}

// wantLines compares without regard to the order.
func (f *fixture) wantLines(what string, got []string, want ...string) {
	f.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		f.Errorf("%s = %q; want %q", what, got, want)
	}
}

func (f *fixture) erase(what string, do func(context.Context, []gateway.SubjectID) (gateway.Erased, error), want gateway.Erased, ids ...gateway.SubjectID) {
	f.Helper()
	got, err := do(context.Background(), ids)
	if err != nil || got != want {
		f.Errorf("%s() = %+v, %v; want %+v", what, got, err, want)
	}
}
