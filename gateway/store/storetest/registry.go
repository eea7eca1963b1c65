package storetest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var registryCases = []struct {
	name string
	run  func(t *testing.T, s gateway.Store, r gateway.Registry)
}{
	{"devices", devices},
	{"unknown_device", unknownDevice},
	{"narrow_changes", narrowChanges},
	{"renewal_races_deletion", renewalRacesDeletion},
	{"token_reasons", tokenReasons},
	{"token_uses_at_once", tokenUses},
	{"policies", policies},
	{"expiry_keeps_devices", expiryKeepsDevices},
}

func devices(t *testing.T, s gateway.Store, r gateway.Registry) {
	ctx := context.Background()
	full := gateway.DeviceRecord{Device: devA, Group: "sales", Enrolled: at(9), LastContact: at(1), AgentVersion: "1.2", PolicyDigest: []byte{1, 2},
		AssetID: "A-1", Tags: []string{"x", "y"}, System: eventv1.System_SYSTEM_WINDOWS, CertSerial: "0f", CertExpires: at(-20)}
	for _, d := range []gateway.DeviceRecord{{Device: devB}, {Device: devA, Group: "old"}, full} {
		if err := r.PutDevice(ctx, d); err != nil {
			t.Fatalf("PutDevice() = %v; want nil", err)
		}
	}
	check := func(what string, want gateway.DeviceRecord) {
		t.Helper()
		if got, err := r.Device(ctx, want.Device); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Device() after %s = %+v, %v; want %+v", what, got, err, want)
		}
	}
	check("PutDevice", full)
	check("PutDevice", gateway.DeviceRecord{Device: devB})
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s = %v; want nil", what, err)
		}
	}
	must("Touch", r.Touch(ctx, devA, at(0), "", nil))
	full.LastContact = at(0)
	check("Touch without values", full)
	must("Touch", r.Touch(ctx, devA, at(3), "1.3", []byte{9}))
	full.AgentVersion, full.PolicyDigest = "1.3", []byte{9}
	check("Touch out of order", full)
	must("Revoke", r.Revoke(ctx, devA))
	full.Revoked = true
	check("Revoke", full)
	if got, err := r.Devices(ctx); err != nil || len(got) != 2 || got[0].Device != devA || got[1].Device != devB {
		t.Errorf("Devices() = %d devices, %v; want both, sorted", len(got), err)
	}
}

func narrowChanges(t *testing.T, _ gateway.Store, r gateway.Registry) {
	ctx := context.Background()
	want := gateway.DeviceRecord{Device: devA, Group: "sales", Enrolled: at(9), LastContact: at(1), AgentVersion: "1.2", AssetID: "A-1", Tags: []string{"x"}, CertSerial: "0f"}
	if err := r.PutDevice(ctx, want); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Revoke(ctx, devA), r.RenewDevice(ctx, devA, "10", at(-30)), r.DescribeDevice(ctx, devA, "A-2", []string{"y", "z"}, eventv1.System_SYSTEM_LINUX)); err != nil {
		t.Fatal(err)
	}
	want.Revoked, want.CertSerial, want.CertExpires = true, "10", at(-30)
	want.AssetID, want.Tags, want.System = "A-2", []string{"y", "z"}, eventv1.System_SYSTEM_LINUX
	if got, err := r.Device(ctx, devA); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Device() = %+v, %v; want %+v", got, err, want)
	}
}

// renewalRacesDeletion: whichever of both comes first, the record of a deleted
// device is not there afterwards.
func renewalRacesDeletion(t *testing.T, s gateway.Store, r gateway.Registry) {
	ctx := context.Background()
	for round := range 20 {
		if err := r.PutDevice(ctx, gateway.DeviceRecord{Device: devA, Group: "g"}); err != nil {
			t.Fatal(err)
		}
		found, err := s.Subjects(ctx, gateway.Query{Kind: gateway.Machine, Device: devA})
		if err != nil || len(found) != 1 {
			t.Fatalf("Subjects(machine) = %d, %v; want 1", len(found), err)
		}
		var renewed, described error
		var all sync.WaitGroup
		all.Go(func() { renewed = r.RenewDevice(ctx, devA, "10", at(-30)) })
		all.Go(func() {
			described = r.DescribeDevice(ctx, devA, "A", []string{"x"}, eventv1.System_SYSTEM_LINUX)
		})
		_, err = s.Delete(ctx, []gateway.SubjectID{found[0].ID})
		all.Wait()
		if err != nil {
			t.Fatalf("Delete() = %v; want nil", err)
		}
		for what, err := range map[string]error{"RenewDevice": renewed, "DescribeDevice": described} {
			if err != nil && !errors.Is(err, gateway.ErrNotFound) {
				t.Errorf("%s() = %v; want nil or ErrNotFound", what, err)
			}
		}
		if _, err := r.Device(ctx, devA); !errors.Is(err, gateway.ErrNotFound) {
			t.Fatalf("round %d: Device(deleted) = %v; want ErrNotFound", round, err)
		}
	}
}

func unknownDevice(t *testing.T, s gateway.Store, r gateway.Registry) {
	ctx := context.Background()
	// A device of which events are stored is not thereby enrolled.
	if err := s.Append(ctx, devA, epoch(1), 1, []*eventv1.Event{usage(at(0), "ann", "p")}); err != nil {
		t.Fatal(err)
	}
	_, err := r.Device(ctx, devA)
	for what, err := range map[string]error{"Device": err, "Touch": r.Touch(ctx, devA, at(0), "1", nil), "Revoke": r.Revoke(ctx, devA),
		"RevokeToken":    r.RevokeToken(ctx, "none"),
		"RenewDevice":    r.RenewDevice(ctx, devA, "1", at(0)),
		"DescribeDevice": r.DescribeDevice(ctx, devA, "A", nil, eventv1.System_SYSTEM_LINUX)} {
		if !errors.Is(err, gateway.ErrNotFound) {
			t.Errorf("%s(unknown) = %v; want ErrNotFound", what, err)
		}
	}
	if got, err := r.Devices(ctx); err != nil || len(got) != 0 {
		t.Errorf("Devices() = %d, %v; want none", len(got), err)
	}
}

func tokenReasons(t *testing.T, s gateway.Store, r gateway.Registry) {
	ctx := context.Background()
	for _, tok := range []gateway.Token{
		{ID: "good", Hash: [32]byte{1}, Group: "g", UsesLeft: 2, Created: at(1), Expires: at(-1)},
		{ID: "late", Hash: [32]byte{2}, UsesLeft: 1, Created: at(3), Expires: at(2)},
		{ID: "gone", Hash: [32]byte{3}, UsesLeft: 1, Created: at(2), Expires: at(-1)},
	} {
		if err := r.PutToken(ctx, tok); err != nil {
			t.Fatalf("PutToken() = %v; want nil", err)
		}
	}
	if err := r.RevokeToken(ctx, "gone"); err != nil {
		t.Fatalf("RevokeToken() = %v; want nil", err)
	}
	for _, c := range []struct {
		name string
		hash byte
		want error
		left int
	}{
		{"first use", 1, nil, 1}, {"second use", 1, nil, 0}, {"third use", 1, gateway.ErrTokenUsedUp, 0},
		{"expired", 2, gateway.ErrTokenExpired, 0}, {"revoked", 3, gateway.ErrTokenRevoked, 0}, {"unknown", 9, gateway.ErrTokenUnknown, 0},
	} {
		got, err := r.UseToken(ctx, [32]byte{c.hash}, Now)
		if !errors.Is(err, c.want) || (c.want == nil && (got.UsesLeft != c.left || got.Group != "g" || got.ID != "good")) {
			t.Errorf("%s: UseToken() = %+v, %v; want %d left, %v", c.name, got, err, c.left, c.want)
		}
	}
	got, err := r.Tokens(ctx)
	if err != nil || len(got) != 3 || got[0].ID != "late" || got[1].ID != "gone" || !got[1].Revoked || got[2].UsesLeft != 0 || !got[2].Expires.Equal(at(-1)) {
		t.Errorf("Tokens() = %+v, %v; want three, oldest first", got, err)
	}
}

func tokenUses(t *testing.T, s gateway.Store, r gateway.Registry) {
	ctx := context.Background()
	const uses, callers = 5, 16
	if err := r.PutToken(ctx, gateway.Token{ID: "t", Hash: [32]byte{1}, UsesLeft: uses, Expires: Now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	var good atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			_, err := r.UseToken(ctx, [32]byte{1}, Now)
			switch {
			case err == nil:
				good.Add(1)
			case !errors.Is(err, gateway.ErrTokenUsedUp):
				t.Errorf("UseToken() = %v; want ErrTokenUsedUp", err)
			}
		})
	}
	wg.Wait()
	if good.Load() != uses {
		t.Errorf("UseToken() succeeded %d times; want %d", good.Load(), uses)
	}
}

func policies(t *testing.T, s gateway.Store, r gateway.Registry) {
	ctx := context.Background()
	if _, err := r.Policy(ctx, [32]byte{1}); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("Policy(unknown) = %v; want ErrNotFound", err)
	}
	for range 2 {
		if err := r.PutPolicy(ctx, [32]byte{1}, "schema=1\n"); err != nil {
			t.Errorf("PutPolicy() = %v; want nil", err)
		}
	}
	if got, err := r.Policy(ctx, [32]byte{1}); err != nil || got != "schema=1\n" {
		t.Errorf("Policy() = %q, %v; want its lines", got, err)
	}
}

func expiryKeepsDevices(t *testing.T, s gateway.Store, r gateway.Registry) {
	ctx := context.Background()
	if err := r.PutDevice(ctx, gateway.DeviceRecord{Device: devA}); err != nil {
		t.Fatal(err)
	}
	for _, dev := range []gateway.Device{devA, devB} {
		if err := s.Append(ctx, dev, epoch(1), 1, []*eventv1.Event{machine(at(5), "host")}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Expire(ctx, at(1)); err != nil || n != 2 {
		t.Errorf("Expire() = %d, %v; want 2", n, err)
	}
	got, err := s.Subjects(ctx, gateway.Query{Kind: gateway.Machine})
	if err != nil || len(got) != 1 || got[0].Device != devA {
		t.Errorf("Subjects(machines) = %d, %v; want the enrolled one alone", len(got), err)
	}
}
