package access

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/gateway"
)

// maxCSR bounds a certificate request; one for P-256 has about 200 bytes.
const maxCSR = 4 << 10

// maxDeviceDays bounds the life of a device's certificate.
const maxDeviceDays = 366

// ErrCSR says that a certificate request is refused.
var ErrCSR = errors.New("certificate request refused")

var emptyName = []byte{0x30, 0x00}

// parseCSR checks a certificate request: signed by its own key, P-256 or
// Ed25519, and without any name. The names would be ignored in any case; a
// client that sends some may one day put a person's name there and should
// learn early that it has no place.
func parseCSR(der []byte) (*x509.CertificateRequest, error) {
	if len(der) > maxCSR {
		return nil, fmt.Errorf("%w: %d bytes; want at most %d", ErrCSR, len(der), maxCSR)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		// The parser's words may quote a name out of the request.
		return nil, fmt.Errorf("%w: not a PKCS #10 request", ErrCSR)
	}
	switch pub := csr.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if pub.Curve != elliptic.P256() {
			return nil, fmt.Errorf("%w: key is on %s; want P-256 or Ed25519", ErrCSR, pub.Curve.Params().Name)
		}
	case ed25519.PublicKey:
	default:
		return nil, fmt.Errorf("%w: key is %s; want P-256 or Ed25519", ErrCSR, csr.PublicKeyAlgorithm)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: its signature does not fit its key", ErrCSR)
	}
	if !bytes.Equal(csr.RawSubject, emptyName) {
		return nil, fmt.Errorf("%w: it has a subject; want an empty one, for the gateway gives the device a random id", ErrCSR)
	}
	// Extensions may hold names in forms that the parser passes over.
	if len(csr.Extensions) != 0 {
		return nil, fmt.Errorf("%w: it asks for names or other extensions; want none", ErrCSR)
	}
	return csr, nil
}

// IssueDevice makes a certificate for dev from a certificate request in DER
// form. It returns the chain, leaf first, and the serial in hex. The request
// gives nothing but its public key.
func (c *CA) IssueDevice(csrDER []byte, dev gateway.Device, days int) (chain [][]byte, serial string, err error) {
	csr, err := parseCSR(csrDER)
	if err != nil {
		return nil, "", err
	}
	cert, err := c.issue(csr, dev, days)
	if err != nil {
		return nil, "", err
	}
	return [][]byte{cert.Raw}, serialOf(cert), nil
}

func (c *CA) issue(csr *x509.CertificateRequest, dev gateway.Device, days int) (*x509.Certificate, error) {
	if !isUUID(string(dev)) {
		return nil, errors.New("issue certificate: the device id is not a UUID")
	}
	if days < 1 || days > maxDeviceDays {
		return nil, fmt.Errorf("issue certificate for %d days: want 1 to %d", days, maxDeviceDays)
	}
	cert, err := c.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: string(dev)},
		URIs:        []*url.URL{{Scheme: "spiffe", Host: c.trustDomain, Path: devicePath + string(dev)}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, csr.PublicKey, time.Duration(days)*24*time.Hour)
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	return cert, nil
}

func serialOf(cert *x509.Certificate) string { return cert.SerialNumber.Text(16) }

const devicePath = "/device/"

// ErrDeviceURI says that a name is not that of a device of ours.
var ErrDeviceURI = errors.New("not a device's name")

// ParseDeviceURI reads spiffe://TRUSTDOMAIN/device/UUID. It takes that one
// spelling only.
func ParseDeviceURI(trustDomain, s string) (gateway.Device, error) {
	id, ok := strings.CutPrefix(s, "spiffe://"+trustDomain+devicePath)
	if !ok || !isUUID(id) {
		return "", ErrDeviceURI
	}
	return gateway.Device(id), nil
}

// newDevice makes a random id (UUID version 4). It depends on nothing of the
// device: one that enrols again is recognised by its asset id or not at all.
func newDevice() (gateway.Device, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make device id: %w", err)
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return gateway.Device(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])), nil
}

// isUUID says whether s is a random UUID (version 4) in lower case.
func isUUID(s string) bool {
	if len(s) != 36 || s[14] != '4' || strings.IndexByte("89ab", s[19]) < 0 {
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
