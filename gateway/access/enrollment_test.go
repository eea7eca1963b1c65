package access_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/access"
	"github.com/discreet-agent/discreet/gateway/access/accesstest"
	enrollv1 "github.com/discreet-agent/discreet/proto/enroll/v1"
)

func client(t testing.TB, ca *access.CA, addr string, cert *tls.Certificate) enrollv1.EnrollmentClient {
	t.Helper()
	root, err := x509.ParseCertificate(ca.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	cfg := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS13}
	if cert != nil {
		cfg.Certificates = []tls.Certificate{*cert}
	}
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return enrollv1.NewEnrollmentClient(cc)
}

func wantStatus(t *testing.T, what string, err error, code codes.Code, text string) {
	t.Helper()
	if s := status.Convert(err); s.Code() != code || !strings.Contains(s.Message(), text) {
		t.Errorf("%s = %v; want %v: %s", what, err, code, text)
	}
}

// TestEnrollMany lets a hundred devices use a token for fifty at once.
func TestEnrollMany(t *testing.T) {
	ca, reg := accesstest.NewCA(t), accesstest.NewRegistry()
	addr := accesstest.Gateway(t, ca, reg, access.EnrollmentOptions{})
	token, _ := accesstest.NewToken(t, ca, reg, 50)
	var mu sync.Mutex
	got := map[codes.Code]int{}
	ids := map[string]bool{}
	var wg sync.WaitGroup
	for range 100 {
		c := client(t, ca, addr, nil)
		csr := makeCSR(t, ecKey(t), x509.CertificateRequest{})
		wg.Go(func() {
			resp, err := c.Enroll(t.Context(), &enrollv1.EnrollRequest{Token: token, Csr: csr})
			mu.Lock()
			defer mu.Unlock()
			got[status.Code(err)]++
			if err == nil {
				ids[resp.GetDeviceId()] = true
			}
		})
	}
	wg.Wait()
	if got[codes.OK] != 50 || got[codes.PermissionDenied] != 50 || len(ids) != 50 {
		t.Errorf("100 enrolments = %v with %d ids; want 50 OK, 50 PermissionDenied, 50 ids", got, len(ids))
	}
	if devices, _ := reg.Devices(t.Context()); len(devices) != 50 {
		t.Errorf("%d devices are known; want 50", len(devices))
	}
}

// TestBadCSRCostsNothing checks that a refused request leaves the token alone.
func TestBadCSRCostsNothing(t *testing.T) {
	ca, reg := accesstest.NewCA(t), accesstest.NewRegistry()
	addr := accesstest.Gateway(t, ca, reg, access.EnrollmentOptions{})
	token, _ := accesstest.NewToken(t, ca, reg, 1)
	for name, bad := range badCSRs(t) {
		t.Run(name, func(t *testing.T) {
			_, err := client(t, ca, addr, nil).Enroll(t.Context(), &enrollv1.EnrollRequest{Token: token, Csr: bad.der})
			wantStatus(t, "Enroll()", err, codes.InvalidArgument, "certificate request refused")
		})
	}
	resp, err := client(t, ca, addr, nil).Enroll(t.Context(), &enrollv1.EnrollRequest{
		Token: token, Csr: makeCSR(t, ecKey(t), x509.CertificateRequest{}), AgentVersion: "1.0\nlevel=ERROR"})
	if err != nil {
		t.Fatalf("Enroll() after the bad ones = %v; want success", err)
	}
	rec, err := reg.Device(t.Context(), gateway.Device(resp.GetDeviceId()))
	if err != nil || rec.AgentVersion != "" {
		t.Errorf("agent version = %q, %v; want none, for it is no version", rec.AgentVersion, err)
	}
}

// TestEnrollAgain asks twice with the same key, as a device does whose answer
// was lost.
func TestEnrollAgain(t *testing.T) {
	ca, reg := accesstest.NewCA(t), accesstest.NewRegistry()
	addr := accesstest.Gateway(t, ca, reg, access.EnrollmentOptions{})
	token, _ := accesstest.NewToken(t, ca, reg, 1)
	req := &enrollv1.EnrollRequest{Token: token, Csr: makeCSR(t, ecKey(t), x509.CertificateRequest{})}
	c := client(t, ca, addr, nil)
	first, err := c.Enroll(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Enroll(t.Context(), req)
	if err != nil || second.GetDeviceId() != first.GetDeviceId() {
		t.Errorf("second Enroll() = %v, %v; want the same device", second.GetDeviceId(), err)
	}
	_, err = c.Enroll(t.Context(), &enrollv1.EnrollRequest{Token: token, Csr: makeCSR(t, ecKey(t), x509.CertificateRequest{})})
	wantStatus(t, "Enroll() with another key", err, codes.PermissionDenied, "token used up")
	if err := reg.Revoke(t.Context(), gateway.Device(first.GetDeviceId())); err != nil {
		t.Fatal(err)
	}
	_, err = c.Enroll(t.Context(), req)
	wantStatus(t, "Enroll() after the revocation", err, codes.PermissionDenied, "token used up")
}

func TestEnrollPace(t *testing.T) {
	ca, reg := accesstest.NewCA(t), accesstest.NewRegistry()
	addr := accesstest.Gateway(t, ca, reg, access.EnrollmentOptions{PerSecond: 0.001, Burst: 8})
	count := func(c enrollv1.EnrollmentClient) int {
		passed := 0
		for range 20 {
			_, err := c.Enroll(t.Context(), &enrollv1.EnrollRequest{Token: "x"})
			if status.Code(err) == codes.PermissionDenied {
				passed++
			} else {
				wantStatus(t, "Enroll()", err, codes.ResourceExhausted, "later")
			}
		}
		return passed
	}
	if n := count(client(t, ca, addr, nil)); n != 5 {
		t.Errorf("%d of 20 calls of one connection passed; want 5", n)
	}
	if n := count(client(t, ca, addr, nil)); n != 3 {
		t.Errorf("%d of 20 calls of the next connection passed; want the 3 that are left for all", n)
	}
}

func TestEnrollStoreBroken(t *testing.T) {
	ca, reg := accesstest.NewCA(t), accesstest.NewRegistry()
	addr := accesstest.Gateway(t, ca, reg, access.EnrollmentOptions{})
	token, _ := accesstest.NewToken(t, ca, reg, 1)
	reg.Break(errors.New("secret of the database"))
	_, err := client(t, ca, addr, nil).Enroll(t.Context(), &enrollv1.EnrollRequest{Token: token, Csr: makeCSR(t, ecKey(t), x509.CertificateRequest{})})
	wantStatus(t, "Enroll()", err, codes.Unavailable, "later")
	if strings.Contains(err.Error(), "database") {
		t.Errorf("Enroll() = %v; want no inner error in it", err)
	}
}

func TestRenewRules(t *testing.T) {
	ca, reg := accesstest.NewCA(t), accesstest.NewRegistry()
	addr := accesstest.Gateway(t, ca, reg, access.EnrollmentOptions{})
	reg.PutDevice(t.Context(), gateway.DeviceRecord{Device: someDevice, Group: "g"})
	old := deviceCert(t, ca, time.Now().AddDate(0, 0, -60)) // expired 30 days ago
	tests := []struct {
		name string
		cert *tls.Certificate
		csr  []byte
		code codes.Code
		text string
	}{
		{"no certificate", nil, makeCSR(t, ecKey(t), x509.CertificateRequest{}), codes.Unauthenticated, access.ReasonNoCertificate},
		{"same key", old, makeCSR(t, old.PrivateKey, x509.CertificateRequest{}), codes.InvalidArgument, "same key"},
		{"bad request", old, []byte("x"), codes.InvalidArgument, "PKCS #10"},
		{"beyond the grace", deviceCert(t, ca, time.Now().AddDate(0, 0, -121)), makeCSR(t, ecKey(t), x509.CertificateRequest{}), codes.Unauthenticated, access.ReasonExpired},
		{"expired, within the grace", old, makeCSR(t, ecKey(t), x509.CertificateRequest{}), codes.OK, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := client(t, ca, addr, tt.cert).Renew(t.Context(), &enrollv1.RenewRequest{Csr: tt.csr})
			wantStatus(t, "Renew()", err, tt.code, tt.text)
		})
	}
}

// vanishing is a registry whose device is deleted while it renews.
type vanishing struct {
	*accesstest.Registry
	put bool
}

func (v *vanishing) RenewDevice(context.Context, gateway.Device, string, time.Time) error {
	return gateway.ErrNotFound
}

func (v *vanishing) PutDevice(context.Context, gateway.DeviceRecord) error {
	v.put = true
	return nil
}

// TestRenewalOfDeletedDevice: the deletion stays, and the device learns that it
// is unknown.
func TestRenewalOfDeletedDevice(t *testing.T) {
	ca, reg := accesstest.NewCA(t), &vanishing{Registry: accesstest.NewRegistry()}
	if err := reg.Registry.PutDevice(t.Context(), gateway.DeviceRecord{Device: someDevice}); err != nil {
		t.Fatal(err)
	}
	addr := accesstest.Gateway(t, ca, reg, access.EnrollmentOptions{})
	cert := deviceCert(t, ca, time.Now())
	_, err := client(t, ca, addr, cert).Renew(t.Context(), &enrollv1.RenewRequest{Csr: makeCSR(t, ecKey(t), x509.CertificateRequest{})})
	wantStatus(t, "Renew()", err, codes.Unauthenticated, access.ReasonUnknown)
	if reg.put {
		t.Errorf("Renew() put the device back; want it gone")
	}
}

func TestAuthorize(t *testing.T) {
	ca, reg := accesstest.NewCA(t), accesstest.NewRegistry()
	now := time.Now()
	good := deviceCert(t, ca, now).Leaf
	known := func() { reg.PutDevice(t.Context(), gateway.DeviceRecord{Device: someDevice}) }
	tests := []struct {
		name   string
		cert   *x509.Certificate
		before func()
		want   string
	}{
		{"none", nil, func() {}, access.ReasonNoCertificate},
		{"unknown", good, func() {}, access.ReasonUnknown},
		{"good", good, known, ""},
		{"expired", deviceCert(t, ca, now.AddDate(0, 0, -31)).Leaf, func() {}, access.ReasonExpired},
		{"of tomorrow", deviceCert(t, ca, now.AddDate(0, 0, 1)).Leaf, func() {}, access.ReasonNotYetValid},
		{"of another authority", deviceCert(t, accesstest.NewCA(t), now).Leaf, func() {}, access.ReasonNotOurs},
		{"revoked", good, func() { reg.Revoke(t.Context(), someDevice) }, access.ReasonRevoked},
		{"revoked, put again", good, known, access.ReasonRevoked},
		{"revoked and expired", deviceCert(t, ca, now.AddDate(0, 0, -31)).Leaf, func() {}, access.ReasonRevoked},
	}
	auth := &access.Authorizer{CA: ca, Registry: reg}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.before()
			dev, err := auth.Authorize(t.Context(), tt.cert)
			if tt.want == "" {
				if err != nil || dev != someDevice {
					t.Errorf("Authorize() = %s, %v; want %s", dev, err, someDevice)
				}
				return
			}
			var refused *access.Refusal
			if !errors.As(err, &refused) || refused.Reason != tt.want || dev != "" {
				t.Errorf("Authorize() = %q, %v; want %q", dev, err, tt.want)
			}
			wantStatus(t, "status of the refusal", err, codes.Unauthenticated, tt.want)
		})
	}
	reg.Break(errors.New("away"))
	var refused *access.Refusal
	if _, err := auth.Authorize(t.Context(), good); err == nil || errors.As(err, &refused) {
		t.Errorf("Authorize() with a broken registry = %v; want an error that is no refusal", err)
	}
}

func TestPeerCertificateOfPlainConnection(t *testing.T) {
	ctx := peer.NewContext(context.Background(), &peer.Peer{Addr: &net.TCPAddr{}})
	if cert := access.PeerCertificate(ctx); cert != nil {
		t.Errorf("PeerCertificate() = %v; want nil", cert.Subject)
	}
	if cert := access.PeerCertificate(context.Background()); cert != nil {
		t.Errorf("PeerCertificate() = %v; want nil", cert.Subject)
	}
}
