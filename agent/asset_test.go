package agent

import "testing"

// TestEnrolmentSendsWhatThePolicyLets: the asset id goes with an enrolment only as
// it would leave in an event.
func TestEnrolmentSendsWhatThePolicyLets(t *testing.T) {
	for _, c := range []struct{ name, settings, want string }{
		{"balanced", "schema: 1\ndevice: {asset_id: A-77231}\n", "A-77231"},
		{"none set", "schema: 1\n", ""},
		{"dropped", "schema: 1\ndevice: {asset_id: A-77231}\nprivacy: {asset_id: drop}\n", ""},
		{"tightened", "schema: 1\ndevice: {asset_id: A-77231}\nprivacy: {tighten: {asset_id: drop}}\n", ""},
		{"under a floor", "schema: 1\ndevice: {asset_id: A-77231}\nprivacy_floor: {asset_id: drop}\n", ""},
	} {
		l := loadText(t, c.settings)
		if got := EnrolAsset(l); got != c.want {
			t.Errorf("%s: EnrolAsset() = %q; want %q", c.name, got, c.want)
		}
		if got := (&Agent{loaded: l}).assetID(); got != c.want {
			t.Errorf("%s: assetID() = %q; want %q", c.name, got, c.want)
		}
	}
}
