package duties

import (
	"context"
	"testing"

	"github.com/discreet-agent/discreet/gateway"
)

// TestDutiesCoverEarlierRecords: what is asked about a laptop that was set up anew is
// asked about all that it sent.
func TestDutiesCoverEarlierRecords(t *testing.T) {
	const again, other = gateway.Device("1b8e2e1d-4e1a-4c4b-8b2b-1c5c592a8b02"), gateway.Device("2c7d1d0c-3d09-4b3a-8a1a-2b4b481b7c03")
	ctx := context.Background()
	d, _ := newDuties(t, host("laptop"), use("ann", "vi", 0))
	kin := d.Store.(gateway.Lineage)
	for _, rec := range []gateway.DeviceRecord{{Device: device, AssetID: "A-7"}, {Device: other, AssetID: "A-8"}, {Device: again, AssetID: "A-7"}} {
		if _, err := kin.EnrolDevice(ctx, rec, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, dev := range []gateway.Device{device, again} {
		if got := d.ids(t, Selector{Kind: gateway.Machine, Device: dev}); len(got) != 2 {
			t.Errorf("Find(%.2s) = %d subjects; want the records before and after", dev, len(got))
		}
	}
	if got := d.ids(t, Selector{Kind: gateway.Machine, Device: other}); len(got) != 1 {
		t.Errorf("Find(another laptop) = %d subjects; want its own record", len(got))
	}
	both := d.ids(t, Selector{Kind: gateway.Machine, Device: again})
	if e, err := d.Delete(ctx, both); err != nil || e.Events != 2 {
		t.Errorf("Delete(%d records) = %d events, %v; want the 2 of the old record", len(both), e.Events, err)
	}
	if left, err := d.Store.Totals(ctx); err != nil || left.Events != 0 {
		t.Errorf("Totals() after Delete = %d, %v; want 0", left.Events, err)
	}
}
