// Package identity knows who this device is to the gateway: it enrols the
// device with a token, keeps its key and certificate, and renews them. The
// device's id is random and comes from the gateway; nothing of the hardware or
// the system goes into it. What is sent under that identity is the business of
// agent/uplink.
package identity

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

var (
	// ErrNotEnrolled says that the device has no identity yet.
	ErrNotEnrolled = errors.New("not enrolled")
	// ErrDamaged says that there are files of an identity, but no key and
	// certificate among them that belong together.
	ErrDamaged = errors.New("identity damaged")
	// ErrKeyExposed says that others can read the private key.
	ErrKeyExposed = errors.New("private key readable by others")
	// ErrTokenRefused says that the gateway does not take the token.
	ErrTokenRefused = errors.New("token refused")
	// ErrPin says that the gateway is not the one that the token was made for.
	ErrPin = errors.New("gateway does not have the key that the token names")
	// ErrTLS says that no trusted connection came about.
	ErrTLS = errors.New("no trusted connection to the gateway")
	// ErrUnreachable says that the gateway does not answer, or has no time.
	ErrUnreachable = errors.New("gateway unreachable")
	// ErrRefused says that the gateway knows the device and refuses it.
	ErrRefused = errors.New("device refused by the gateway")
)

// Identity is a key, the certificate that the gateway gave for it, and the
// authority that it trusts. It does not change; renewal makes another.
type Identity struct {
	device string
	key    *ecdsa.PrivateKey
	chain  []*x509.Certificate // leaf first
	ca     *x509.Certificate
}

// newIdentity checks that the parts belong together. It does not look at the
// clock: an expired certificate can still be renewed.
func newIdentity(key *ecdsa.PrivateKey, chain []*x509.Certificate, ca *x509.Certificate) (*Identity, error) {
	leaf := chain[0]
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return nil, errors.New("key and certificate do not belong together")
	}
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(ca)
	for _, c := range chain[1:] {
		middle.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: middle,
		CurrentTime:   leaf.NotAfter,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, fmt.Errorf("certificate is not from the authority: %w", err)
	}
	device, err := deviceOf(leaf)
	if err != nil {
		return nil, err
	}
	return &Identity{device: device, key: key, chain: chain, ca: ca}, nil
}

// Device is the id that the gateway gave: a random UUID.
func (i *Identity) Device() string { return i.device }

// NotAfter is when the certificate ends.
func (i *Identity) NotAfter() time.Time { return i.chain[0].NotAfter }

// RenewAt is when to renew: at half of the certificate's life, give or take a
// tenth, so that a fleet enrolled in one day does not renew in one hour. It
// depends on the certificate alone, so a restart does not change it.
func (i *Identity) RenewAt() time.Time {
	leaf := i.chain[0]
	half := leaf.NotAfter.Sub(leaf.NotBefore) / 2
	sum := sha256.Sum256(leaf.Raw)
	// The first 32 bits of the hash as a number from -1 to 1.
	f := float64(binary.BigEndian.Uint32(sum[:]))/(1<<31) - 1
	return leaf.NotBefore.Add(half + time.Duration(f*float64(half)/10))
}

// TLS is the device's side of a connection to the gateway: TLS 1.3, our
// authority and no other, and our certificate, shown to whoever asks for one.
// The caller sets ServerName.
func (i *Identity) TLS() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(i.ca)
	cert := &tls.Certificate{PrivateKey: i.key, Leaf: i.chain[0]}
	for _, c := range i.chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    roots,
		// Not Certificates: that would silently send none where the server
		// hints at another authority, and hide the cause.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return cert, nil
		},
	}
}

// deviceOf reads the device's id from the certificate's one URI,
// spiffe://TRUSTDOMAIN/device/UUID.
func deviceOf(cert *x509.Certificate) (string, error) {
	if len(cert.URIs) != 1 {
		return "", fmt.Errorf("certificate names %d devices; want 1", len(cert.URIs))
	}
	return parseDeviceURI(cert.URIs[0].String())
}

func parseDeviceURI(s string) (string, error) {
	domain, id, ok := strings.Cut(strings.TrimPrefix(s, "spiffe://"), "/device/")
	if !ok || !strings.HasPrefix(s, "spiffe://") || domain == "" || strings.ContainsAny(domain, "/?#@:%") || !isUUID(id) {
		return "", errors.New("certificate does not name a device in the form spiffe://DOMAIN/device/UUID")
	}
	return id, nil
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if strings.IndexByte("0123456789abcdef", s[i]) < 0 {
				return false
			}
		}
	}
	return true
}
