package access_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/discreet-agent/discreet/gateway/access"
	"github.com/discreet-agent/discreet/gateway/access/accesstest"
)

const someDevice = "0b8a3c1e-5d2f-4a6b-9c7d-1e2f3a4b5c6d"

func caOptions() access.CAOptions {
	return access.CAOptions{TrustDomain: "corp.example", Hosts: []string{"GW.example", "127.0.0.1", "::1"}}
}

func TestInitCA(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	if err := access.InitCA(dir, caOptions()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "ca-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := access.InitCA(dir, caOptions()); !errors.Is(err, access.ErrExists) {
		t.Errorf("second InitCA() = %v; want ErrExists", err)
	}
	after, _ := os.ReadFile(filepath.Join(dir, "ca-key.pem"))
	if !bytes.Equal(before, after) {
		t.Error("the second InitCA() changed the key")
	}
	for _, name := range []string{"ca-key.pem", "server-key.pem"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s = %v, %v; want 0600", name, info.Mode(), err)
		}
	}
	ca, err := access.OpenCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(ca.Pin(), "sha256:") || len(ca.Pin()) != 71 || ca.TrustDomain() != "corp.example" {
		t.Errorf("Pin() = %s, TrustDomain() = %s", ca.Pin(), ca.TrustDomain())
	}
	cert, err := x509.ParseCertificate(ca.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	if !cert.IsCA || cert.MaxPathLen != 0 || !cert.MaxPathLenZero || cert.NotAfter.Before(time.Now().AddDate(10, 0, -1)) {
		t.Errorf("authority: IsCA %v, MaxPathLen %d, until %v; want true, 0, ten years", cert.IsCA, cert.MaxPathLen, cert.NotAfter)
	}
}

func TestInitCAOptions(t *testing.T) {
	tests := []struct {
		name, domain string
		hosts        []string
	}{
		{"no trust domain", "", []string{"gw.example"}},
		{"trust domain in upper case", "Corp.example", []string{"gw.example"}},
		{"trust domain with a slash", "corp/x", []string{"gw.example"}},
		{"no hosts", "corp.example", nil},
		{"host with a port", "corp.example", []string{"gw.example:8443"}},
		{"empty host", "corp.example", []string{""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "ca")
			if err := access.InitCA(dir, access.CAOptions{TrustDomain: tt.domain, Hosts: tt.hosts}); err == nil {
				t.Errorf("InitCA(%q, %q) = nil; want an error", tt.domain, tt.hosts)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("InitCA() left a folder")
			}
		})
	}
}

func TestOpenCARefuses(t *testing.T) {
	tests := []struct {
		name  string
		want  error
		spoil func(dir string) error
	}{
		{"key readable by the group", access.ErrKeyExposed, func(dir string) error { return os.Chmod(filepath.Join(dir, "ca-key.pem"), 0o640) }},
		{"key readable by all", access.ErrKeyExposed, func(dir string) error { return os.Chmod(filepath.Join(dir, "ca-key.pem"), 0o604) }},
		{"server key readable by all", access.ErrKeyExposed, func(dir string) error { return os.Chmod(filepath.Join(dir, "server-key.pem"), 0o644) }},
		{"no certificate", os.ErrNotExist, func(dir string) error { return os.Remove(filepath.Join(dir, "ca.pem")) }},
		{"key of another", nil, func(dir string) error {
			if err := access.InitCA(dir+"2", caOptions()); err != nil {
				return err
			}
			return os.Rename(dir+"2/ca-key.pem", dir+"/ca-key.pem")
		}},
		{"server certificate of another", nil, func(dir string) error {
			if err := access.InitCA(dir+"2", caOptions()); err != nil {
				return err
			}
			return os.Rename(dir+"2/server.pem", dir+"/server.pem")
		}},
		{"key cut", nil, func(dir string) error { return os.Truncate(filepath.Join(dir, "ca-key.pem"), 100) }},
		{"certificate cut", nil, func(dir string) error { return os.Truncate(filepath.Join(dir, "ca.pem"), 100) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "ca")
			if err := access.InitCA(dir, caOptions()); err != nil {
				t.Fatal(err)
			}
			if err := tt.spoil(dir); err != nil {
				t.Fatal(err)
			}
			_, err := access.OpenCA(dir)
			if err == nil || tt.want != nil && (!errors.Is(err, tt.want) || !strings.Contains(err.Error(), "hint:")) {
				t.Errorf("OpenCA() = %v; want %v and a hint", err, tt.want)
			}
		})
	}
}

// TestServerCertificate lets the gateway's certificate grow old.
func TestServerCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := accesstest.NewCA(t)
		cfg, err := ca.ServerTLS()
		if err != nil {
			t.Fatal(err)
		}
		get := func() *x509.Certificate {
			cert, err := cfg.GetCertificate(nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(cert.Certificate) != 2 || !bytes.Equal(cert.Certificate[1], ca.Certificate()) {
				t.Fatal("the chain does not end in the authority")
			}
			return cert.Leaf
		}
		first := get()
		for _, host := range []string{"localhost", "127.0.0.1"} {
			if err := first.VerifyHostname(host); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(59 * 24 * time.Hour)
		if !get().Equal(first) {
			t.Error("a new certificate after 59 of 90 days; want the old one")
		}
		time.Sleep(2 * 24 * time.Hour)
		second := get()
		if second.Equal(first) || !second.NotAfter.After(first.NotAfter) {
			t.Error("no new certificate after 61 of 90 days")
		}
		if second.PublicKey.(*ecdsa.PublicKey).Equal(first.PublicKey) {
			t.Error("the new certificate has the old key")
		}
		if err := second.VerifyHostname("localhost"); err != nil {
			t.Error(err)
		}
	})
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func makeCSR(t testing.TB, key any, tmpl x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &tmpl, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// badCSRs are requests that must be refused, with a word that says why.
func badCSRs(t testing.TB) map[string]struct {
	der  []byte
	want string
} {
	key := ecKey(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// A name in a form that Go's parser passes over: otherName with a UPN.
	upn, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: []byte{0x06, 0x03, 0x2a, 0x03, 0x04, 0xa0, 0x06, 0x0c, 0x04, 'j', 'd', 'o', 'e'}}})
	if err != nil {
		t.Fatal(err)
	}
	flipped := makeCSR(t, key, x509.CertificateRequest{})
	flipped[len(flipped)-1] ^= 1
	uri, _ := url.Parse("spiffe://corp.example/device/" + someDevice)
	type bad = struct {
		der  []byte
		want string
	}
	return map[string]bad{
		"nothing":         {nil, "PKCS #10"},
		"garbage":         {[]byte("hello"), "PKCS #10"},
		"too long":        {make([]byte, 5000), "bytes"},
		"trailing bytes":  {append(makeCSR(t, key, x509.CertificateRequest{}), 0), "PKCS #10"},
		"RSA-1024":        {makeCSR(t, rsaKey, x509.CertificateRequest{}), "P-256"},
		"P-384":           {makeCSR(t, p384, x509.CertificateRequest{}), "P-256"},
		"wrong signature": {flipped, "signature"},
		"person as subject": {makeCSR(t, key, x509.CertificateRequest{
			Subject: pkix.Name{CommonName: "jdoe"}}), "subject"},
		"address as subject": {makeCSR(t, key, x509.CertificateRequest{
			Subject: pkix.Name{CommonName: "john.doe@corp.example"}}), "subject"},
		"email": {makeCSR(t, key, x509.CertificateRequest{EmailAddresses: []string{"john.doe@corp.example"}}), "names"},
		"host":  {makeCSR(t, key, x509.CertificateRequest{DNSNames: []string{"jdoe-laptop"}}), "names"},
		"device of its own choice": {makeCSR(t, key, x509.CertificateRequest{
			URIs: []*url.URL{uri}}), "names"},
		"UPN": {makeCSR(t, key, x509.CertificateRequest{ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: upn}}}), "names"},
		"asks to be an authority": {makeCSR(t, key, x509.CertificateRequest{ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Value: []byte{0x30, 0x03, 0x01, 0x01, 0xff}}}}), "extensions"},
	}
}

func TestIssueDevice(t *testing.T) {
	ca := accesstest.NewCA(t)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]any{"P-256": ecKey(t), "Ed25519": edKey} {
		t.Run(name, func(t *testing.T) {
			chain, serial, err := ca.IssueDevice(makeCSR(t, key, x509.CertificateRequest{}), someDevice, 30)
			if err != nil {
				t.Fatal(err)
			}
			cert, err := x509.ParseCertificate(chain[0])
			if err != nil {
				t.Fatal(err)
			}
			if got := cert.Subject.String(); got != "CN="+someDevice {
				t.Errorf("subject = %s; want CN=%s", got, someDevice)
			}
			if len(cert.URIs) != 1 || cert.URIs[0].String() != "spiffe://corp.example/device/"+someDevice {
				t.Errorf("URIs = %v", cert.URIs)
			}
			if len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth || cert.IsCA || cert.KeyUsage != x509.KeyUsageDigitalSignature {
				t.Errorf("usage = %v, %v, IsCA %v; want clientAuth only", cert.ExtKeyUsage, cert.KeyUsage, cert.IsCA)
			}
			if serial != cert.SerialNumber.Text(16) || cert.SerialNumber.BitLen() < 64 {
				t.Errorf("serial = %s; want %x, random", serial, cert.SerialNumber)
			}
			if age := time.Since(cert.NotBefore); age < 5*time.Minute || age > 6*time.Minute {
				t.Errorf("NotBefore is %v ago; want 5 minutes", age)
			}
		})
	}
	for name, bad := range badCSRs(t) {
		t.Run(name, func(t *testing.T) {
			_, _, err := ca.IssueDevice(bad.der, someDevice, 30)
			if !errors.Is(err, access.ErrCSR) || !strings.Contains(err.Error(), bad.want) {
				t.Fatalf("IssueDevice() = %v; want ErrCSR with %q", err, bad.want)
			}
			if strings.Contains(err.Error(), "jdoe") || strings.Contains(err.Error(), "john") {
				t.Errorf("IssueDevice() = %v; want no name in it", err)
			}
		})
	}
	good := makeCSR(t, ecKey(t), x509.CertificateRequest{})
	if _, _, err := ca.IssueDevice(good, "laptop-7", 30); err == nil {
		t.Error("IssueDevice(laptop-7) = nil; want an error")
	}
	if _, _, err := ca.IssueDevice(good, someDevice, 0); err == nil {
		t.Error("IssueDevice() for 0 days = nil; want an error")
	}
}

// TestHandshake checks whom the handshake itself refuses.
func TestHandshake(t *testing.T) {
	ca, reg := accesstest.NewCA(t), accesstest.NewRegistry()
	addr := accesstest.Gateway(t, ca, reg, access.EnrollmentOptions{})
	roots := x509.NewCertPool()
	cert, _ := x509.ParseCertificate(ca.Certificate())
	roots.AddCert(cert)
	serverCert, err := serverTLS(t, ca).GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		cert *tls.Certificate
		max  uint16
		ok   bool
	}{
		{"no certificate", &tls.Certificate{}, 0, true},
		{"ours", deviceCert(t, ca, time.Now()), 0, true},
		{"ours, expired", deviceCert(t, ca, time.Now().AddDate(0, 0, -60)), 0, true},
		{"ours, not yet valid", deviceCert(t, ca, time.Now().AddDate(0, 0, 60)), 0, true},
		{"from another authority", deviceCert(t, accesstest.NewCA(t), time.Now()), 0, false},
		{"the gateway's own", serverCert, 0, false},
		{"TLS 1.2", &tls.Certificate{}, tls.VersionTLS12, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := tls.Dial("tcp", addr, &tls.Config{
				RootCAs: roots, ServerName: "localhost", MaxVersion: tt.max, NextProtos: []string{"h2"},
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return tt.cert, nil },
			})
			if err == nil {
				defer conn.Close()
				_, err = conn.Read(make([]byte, 9))
			}
			if (err == nil) != tt.ok {
				t.Errorf("handshake = %v; want ok %v", err, tt.ok)
			}
		})
	}
}

func serverTLS(t testing.TB, ca *access.CA) *tls.Config {
	t.Helper()
	cfg, err := ca.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// deviceCert makes a certificate of someDevice at a time of the CA's clock.
func deviceCert(t testing.TB, ca *access.CA, at time.Time) *tls.Certificate {
	t.Helper()
	key := ecKey(t)
	now := ca.Now
	ca.Now = func() time.Time { return at }
	defer func() { ca.Now = now }()
	chain, _, err := ca.IssueDevice(makeCSR(t, key, x509.CertificateRequest{}), someDevice, 30)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}
}

func FuzzCSR(f *testing.F) {
	ca := accesstest.NewCA(f)
	f.Add(makeCSR(f, ecKey(f), x509.CertificateRequest{}))
	for _, bad := range badCSRs(f) {
		f.Add(bad.der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		chain, _, err := ca.IssueDevice(der, someDevice, 30)
		if err != nil {
			if len(err.Error()) > 200 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
			return
		}
		cert, err := x509.ParseCertificate(chain[0])
		if err != nil || cert.Subject.String() != "CN="+someDevice || cert.IsCA || len(cert.URIs) != 1 || len(cert.DNSNames)+len(cert.EmailAddresses)+len(cert.IPAddresses) != 0 {
			t.Errorf("a request put something into the certificate: %v, %v", cert.Subject, err)
		}
	})
}
