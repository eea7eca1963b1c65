// Package access decides who may talk to the gateway. It holds the certificate
// authority, the tokens that let devices enrol, the service that enrols and
// renews them, and the authorizer that tells from a client certificate which
// device is calling. What a device may then send is the business of ingest.
package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/discreet-agent/discreet/agent/durable"
)

// The files of an authority, in its folder.
const (
	caCertFile     = "ca.pem"
	caKeyFile      = "ca-key.pem"
	serverCertFile = "server.pem"
	serverKeyFile  = "server-key.pem"
)

const (
	caYears    = 10
	serverLife = 90 * 24 * time.Hour
	// backdate is how far a certificate's validity reaches into the past, for
	// clocks that are late.
	backdate = 5 * time.Minute
)

// ErrExists says that the folder holds an authority already.
var ErrExists = errors.New("certificate authority exists")

// ErrKeyExposed says that others can read a private key.
var ErrKeyExposed = errors.New("private key readable by others")

// trustDomainForm is what SPIFFE allows in a trust domain.
// https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md#21-trust-domain
var trustDomainForm = regexp.MustCompile(`^[a-z0-9._-]{1,255}$`)

// CAOptions says what InitCA makes.
type CAOptions struct {
	TrustDomain string           // the name of the fleet, in the form of a host name
	Hosts       []string         // host names and IP addresses of the gateway
	Now         func() time.Time // nil: time.Now
}

// CA is the gateway's certificate authority. It signs the certificates of
// devices and the gateway's own. It is safe for concurrent use.
type CA struct {
	// Now is the clock; set it before the first use or leave it.
	Now func() time.Time

	cert        *x509.Certificate
	key         *ecdsa.PrivateKey
	trustDomain string

	mu     sync.Mutex
	server *serverCert // guarded by mu
}

// InitCA makes a certificate authority in dir, and a certificate of the gateway
// for o.Hosts. It never overwrites one.
func InitCA(dir string, o CAOptions) error {
	if !trustDomainForm.MatchString(o.TrustDomain) {
		return fmt.Errorf("trust domain %q: lower-case letters, digits and . - _ only (hint: use the domain of the gateway, such as corp.example.com)", o.TrustDomain)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if _, err := parseHosts(o.Hosts); err != nil {
		return err
	}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder of the authority: %w", err)
	}
	for _, name := range []string{caKeyFile, caCertFile, serverKeyFile, serverCertFile} {
		switch _, err := os.Lstat(filepath.Join(dir, name)); {
		case err == nil:
			return fmt.Errorf("init authority in %s: %w: %s (hint: every device trusts that one; choose another folder, or remove it by hand and enrol all devices again)", dir, ErrExists, name)
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("init authority: %w", err)
		}
	}
	ca, err := newCA(o)
	if err != nil {
		return fmt.Errorf("make authority: %w", err)
	}
	if err := writeKey(filepath.Join(dir, caKeyFile), ca.key); err != nil {
		return err
	}
	if err := ca.WriteServer(dir, o.Hosts); err != nil {
		return err
	}
	// Last, so that a folder with a ca.pem is a whole one.
	return writeCerts(filepath.Join(dir, caCertFile), ca.cert.Raw)
}

func newCA(o CAOptions) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(spki)
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := o.Now()
	tmpl := &x509.Certificate{
		SerialNumber: serial,
		// Part of the pin stands in the name, so that people can tell two apart.
		Subject:               pkix.Name{CommonName: "Discreet CA " + hex.EncodeToString(sum[:4])},
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: o.TrustDomain}},
		NotBefore:             now.Add(-2 * backdate), // before all that it signs
		NotAfter:              now.AddDate(caYears, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &CA{Now: o.Now, cert: cert, key: key, trustDomain: o.TrustDomain}, nil
}

// OpenCA reads the authority that InitCA made in dir. It refuses keys that
// others can read.
func OpenCA(dir string) (*CA, error) {
	cert, err := readCert(filepath.Join(dir, caCertFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open authority: %w (hint: make one with discreet-gateway ca init)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	key, err := readKey(filepath.Join(dir, caKeyFile))
	if err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("open authority in %s: %s and %s do not belong together (hint: restore both from one backup)", dir, caKeyFile, caCertFile)
	}
	if !cert.IsCA || len(cert.URIs) != 1 || cert.URIs[0].Scheme != "spiffe" || !trustDomainForm.MatchString(cert.URIs[0].Host) {
		return nil, fmt.Errorf("open authority in %s: %s is not a certificate that ca init makes", dir, caCertFile)
	}
	ca := &CA{Now: time.Now, cert: cert, key: key, trustDomain: cert.URIs[0].Host}
	if ca.server, err = ca.openServer(dir); err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	return ca, nil
}

// TrustDomain is the name of the fleet.
func (c *CA) TrustDomain() string { return c.trustDomain }

// Certificate is the authority's own certificate, DER.
func (c *CA) Certificate() []byte { return c.cert.Raw }

// NotAfter is when the authority's certificate ends.
func (c *CA) NotAfter() time.Time { return c.cert.NotAfter }

// Pin names the authority's public key: "sha256:" and the hash of its
// SubjectPublicKeyInfo in hex. Tokens carry it.
func (c *CA) Pin() string {
	sum := sha256.Sum256(c.cert.RawSubjectPublicKeyInfo)
	return pinPrefix + hex.EncodeToString(sum[:])
}

// sign makes a certificate from tmpl, whose serial and validity it sets: life
// from now on, but never beyond the authority's own end.
func (c *CA) sign(tmpl *x509.Certificate, pub any, life time.Duration) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := c.Now()
	tmpl.SerialNumber = serial
	tmpl.NotBefore = now.Add(-backdate)
	tmpl.NotAfter = now.Add(life)
	if tmpl.NotAfter.After(c.cert.NotAfter) {
		tmpl.NotAfter = c.cert.NotAfter
	}
	if !now.Before(tmpl.NotAfter) {
		return nil, errors.New("the certificate authority has expired (hint: make a new one with ca init and enrol the devices again)")
	}
	tmpl.BasicConstraintsValid = true
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, tmpl, c.cert, pub, c.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerial returns a random serial of 126 bits or more that is never zero.
func newSerial() (*big.Int, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:]), nil
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	return durable.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func writeCerts(path string, ders ...[]byte) error {
	var out []byte
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return durable.WriteFile(path, out, 0o644)
}

func readCert(path string) (*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("read %s: no certificate in PEM form", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return cert, nil
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// The open file is asked, not the path: nobody can swap it in between.
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if exposed(info) {
		return nil, fmt.Errorf("%w: %s has mode %04o (hint: chmod 600 %s; if others have an account here, make a new authority)", ErrKeyExposed, path, info.Mode().Perm(), path)
	}
	data, err := io.ReadAll(io.LimitReader(f, 16<<10))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("read %s: no key in PEM form", path)
	}
	// The cause is left out: it could quote the key.
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	ec, ok := key.(*ecdsa.PrivateKey)
	if err != nil || !ok || ec.Curve != elliptic.P256() {
		return nil, fmt.Errorf("read %s: not a P-256 key in PKCS #8 form", path)
	}
	return ec, nil
}
