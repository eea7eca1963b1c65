package access_test

import (
	"context"
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/access"
	"github.com/discreet-agent/discreet/gateway/access/accesstest"
	"github.com/discreet-agent/discreet/gateway/store/sqlite"
	enrollv1 "github.com/discreet-agent/discreet/proto/enroll/v1"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// office is a gateway that knows which records are of one laptop.
type office struct {
	t         *testing.T
	ca        *access.CA
	store     *sqlite.Store
	addr      string
	connected map[gateway.Device]bool
	told      int
}

func newOffice(t *testing.T) *office {
	t.Helper()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	o := &office{t: t, ca: accesstest.NewCA(t), store: st, connected: map[gateway.Device]bool{}}
	o.addr = accesstest.Gateway(t, o.ca, st, access.EnrollmentOptions{
		Lineage: st, Connected: func(d gateway.Device) bool { return o.connected[d] },
		Superseded: func(_ context.Context, n int) { o.told += n },
	})
	return o
}

// token makes a token of a group.
func (o *office) token(group string) string {
	o.t.Helper()
	secret, _, err := access.CreateToken(o.t.Context(), o.store, o.ca.Pin(), access.TokenOptions{Group: group, Uses: 9, Expires: time.Now().Add(time.Hour), Now: time.Now()})
	if err != nil {
		o.t.Fatal(err)
	}
	return secret
}

func (o *office) enrol(token, asset string) (gateway.Device, error) {
	o.t.Helper()
	resp, err := client(o.t, o.ca, o.addr, nil).Enroll(o.t.Context(), &enrollv1.EnrollRequest{
		Token: token, Csr: makeCSR(o.t, ecKey(o.t), x509.CertificateRequest{}), AssetId: asset})
	return gateway.Device(resp.GetDeviceId()), err
}

func (o *office) must(token, asset string) gateway.Device {
	o.t.Helper()
	dev, err := o.enrol(token, asset)
	if err != nil {
		o.t.Fatalf("Enroll() = %v; want nil", err)
	}
	return dev
}

func (o *office) revoked(dev gateway.Device) bool {
	o.t.Helper()
	rec, err := o.store.Device(o.t.Context(), dev)
	if err != nil {
		o.t.Fatal(err)
	}
	return rec.Revoked
}

func TestLaptopSetUpAnew(t *testing.T) {
	o := newOffice(t)
	sales := o.token("sales")
	old := o.must(sales, "A-1")
	if again := o.must(sales, "A-1"); !o.revoked(old) || o.revoked(again) || o.told != 1 {
		t.Errorf("after a second enrolment: old revoked %t, new revoked %t, told %d; want true, false, 1", o.revoked(old), o.revoked(again), o.told)
	}
	if rec, err := o.store.Device(t.Context(), old); err != nil || rec.AssetID != "A-1" {
		t.Errorf("Device(old) = %q, %v; want its record with its asset id still there", rec.AssetID, err)
	}
}

// TestAssetIDAloneTakesNothing: the token is what entitles to a place. Without one,
// with one that is spent, and with one of another group, a record stays.
func TestAssetIDAloneTakesNothing(t *testing.T) {
	o := newOffice(t)
	sales := o.token("sales")
	victim := o.must(sales, "A-1")
	// A device that is enrolled claims the asset id of another in its events.
	liar := o.must(sales, "A-2")
	if err := o.store.DescribeDevice(t.Context(), liar, "A-1", nil, eventv1.System_SYSTEM_LINUX); err != nil {
		t.Fatal(err)
	}
	// A stranger has no token, or one that is revoked.
	gone := o.token("sales")
	tokens, err := o.store.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := o.store.RevokeToken(t.Context(), tokens[len(tokens)-1].ID); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"revoked": gone, "malformed": "dt1.none"} {
		if _, err := o.enrol(token, "A-1"); err == nil {
			t.Errorf("%s: Enroll() = nil; want a refusal", name)
		} else {
			wantStatus(t, name, err, codes.PermissionDenied, "token")
		}
	}
	// A token of another group, no asset id, what is no asset id, and a laptop that
	// talks to us now.
	o.must(o.token("lab"), "A-1")
	o.must(sales, "")
	o.must(sales, "A-1\x1b[2J")
	o.must(sales, strings.Repeat("A", 129))
	o.connected[victim] = true
	o.must(sales, "A-1")
	if o.revoked(victim) {
		t.Error("the victim's record lost its place; want it left alone")
	}
	if o.told != 1 { // the liar's: it has that asset id, and is not connected
		t.Errorf("told of %d; want 1", o.told)
	}
}
