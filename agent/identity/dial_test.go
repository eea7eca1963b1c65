package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"
)

// sign makes a certificate for key; a nil parent signs itself.
func sign(t *testing.T, tmpl *x509.Certificate, key *ecdsa.PrivateKey, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	if parent == nil {
		parent, parentKey = tmpl, key
	}
	tmpl.SerialNumber = big.NewInt(1)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestPinned looks at gateways that hold a certificate of the right authority
// with one thing wrong.
func TestPinned(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	ca := sign(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}, key, nil, nil)
	tests := []struct {
		name  string
		leaf  x509.Certificate
		chain bool // the authority comes along
		want  error
	}{
		{"good", x509.Certificate{DNSNames: []string{"gw.example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotAfter: now.Add(time.Hour)}, true, nil},
		{"authority left out", x509.Certificate{DNSNames: []string{"gw.example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotAfter: now.Add(time.Hour)}, false, ErrPin},
		{"wrong name", x509.Certificate{DNSNames: []string{"x.example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotAfter: now.Add(time.Hour)}, true, ErrTLS},
		{"for clients", x509.Certificate{DNSNames: []string{"gw.example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, NotAfter: now.Add(time.Hour)}, true, ErrTLS},
		{"expired", x509.Certificate{DNSNames: []string{"gw.example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotAfter: now.Add(-time.Minute)}, true, ErrTLS},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.leaf.NotBefore = now.Add(-time.Hour)
			chain := []*x509.Certificate{sign(t, &tt.leaf, key, ca, key)}
			if tt.chain {
				chain = append(chain, ca)
			}
			var found *x509.Certificate
			cfg := pinned(sha256.Sum256(ca.RawSubjectPublicKeyInfo), nil, "gw.example", &found)
			err := cfg.VerifyConnection(tls.ConnectionState{PeerCertificates: chain})
			if !errors.Is(err, tt.want) || (err == nil) != (found != nil) {
				t.Errorf("VerifyConnection() = %v; want %v", err, tt.want)
			}
		})
	}
	// The authority's pin must be met by an authority, not by any certificate
	// that carries its key.
	leaf := sign(t, &x509.Certificate{DNSNames: []string{"gw.example"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}, key, nil, nil)
	if got := byPin(sha256.Sum256(leaf.RawSubjectPublicKeyInfo), []*x509.Certificate{leaf}); got != nil {
		t.Error("byPin() took a certificate that is no authority")
	}
}

// TestCause checks that this device's addresses stay out of error texts.
func TestCause(t *testing.T) {
	addr := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 1234}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"operation", &net.OpError{Op: "read", Net: "tcp", Source: addr, Addr: addr, Err: errors.New("connection reset")}, "read: connection reset"},
		{"name", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "gw.example", Server: "192.0.2.53:53"}}, "look up name: no such host"},
		{"other", errors.New("no route"), "no route"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := cause(tt.err); got != tt.want {
				t.Errorf("cause(%v) = %q; want %q", tt.err, got, tt.want)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	b := backoff{min: 2 * time.Second, max: 5 * time.Minute}
	for i := range 100 {
		ceiling := min(4*time.Second<<min(i, 20), 5*time.Minute)
		if d := b.next(); d < 2*time.Second || d > ceiling {
			t.Errorf("pause %d = %v; want 2 s to %v", i, d, ceiling)
		}
	}
}
