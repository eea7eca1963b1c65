package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// serverCert is the gateway's own certificate and what it needs to make the
// next one.
type serverCert struct {
	tls   *tls.Certificate
	hosts hosts
}

// hosts are the names under which agents reach the gateway.
type hosts struct {
	names []string
	ips   []net.IP
}

var hostForm = regexp.MustCompile(`^(\*\.)?([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)*[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`)

func parseHosts(list []string) (hosts, error) {
	var h hosts
	for _, s := range list {
		switch ip := net.ParseIP(s); {
		case ip != nil:
			h.ips = append(h.ips, ip)
		case len(s) <= 253 && hostForm.MatchString(s):
			h.names = append(h.names, strings.ToLower(s))
		default:
			return hosts{}, fmt.Errorf("host %q: not a host name or an IP address (hint: leave the port away)", s)
		}
	}
	if len(list) == 0 {
		return hosts{}, errors.New("no host names (hint: name the host under which agents reach the gateway)")
	}
	return h, nil
}

// WriteServer makes a new certificate and key of the gateway for the given host
// names and IP addresses and writes them to dir. A gateway that runs takes them
// at its next start.
func (c *CA) WriteServer(dir string, list []string) error {
	h, err := parseHosts(list)
	if err != nil {
		return err
	}
	cert, err := c.newServer(h)
	if err != nil {
		return fmt.Errorf("make server certificate: %w", err)
	}
	if err := writeKey(filepath.Join(dir, serverKeyFile), cert.PrivateKey.(*ecdsa.PrivateKey)); err != nil {
		return err
	}
	return writeCerts(filepath.Join(dir, serverCertFile), cert.Certificate...)
}

func (c *CA) newServer(h hosts) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf, err := c.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "Discreet gateway"},
		DNSNames:    h.names,
		IPAddresses: h.ips,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, key.Public(), serverLife)
	if err != nil {
		return nil, err
	}
	return c.serverChain(leaf, key), nil
}

// serverChain ends in the authority's certificate, which TLS would not need: a
// device that enrols knows only the hash of its key and must see it.
func (c *CA) serverChain(leaf *x509.Certificate, key *ecdsa.PrivateKey) *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, c.cert.Raw}, PrivateKey: key, Leaf: leaf}
}

func (c *CA) openServer(dir string) (*serverCert, error) {
	leaf, err := readCert(filepath.Join(dir, serverCertFile))
	if err != nil {
		return nil, err
	}
	key, err := readKey(filepath.Join(dir, serverKeyFile))
	if err != nil {
		return nil, err
	}
	h := hosts{names: leaf.DNSNames, ips: leaf.IPAddresses}
	if err := leaf.CheckSignatureFrom(c.cert); err != nil {
		return nil, fmt.Errorf("%s is not from this authority: %w", serverCertFile, err)
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		// A crash while WriteServer replaced the two. The names are all that
		// is needed; both are made anew.
		fresh, err := c.newServer(h)
		return &serverCert{tls: fresh, hosts: h}, err
	}
	return &serverCert{tls: c.serverChain(leaf, key), hosts: h}, nil
}

// ServerTLS returns the gateway's side of the connection: TLS 1.3 only, with a
// certificate that is made anew when two thirds of its life are over.
//
// A client may come without a certificate, for it may want to enrol, and with
// an expired or revoked one of ours: a client of TLS 1.3 would see no more than
// a broken pipe if the handshake refused it, so Authorizer does, with a reason.
// Certificates of others are refused in the handshake.
func (c *CA) ServerTLS() (*tls.Config, error) {
	if _, err := c.currentServer(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.currentServer()
		},
		ClientAuth: tls.RequestClientCert,
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return nil
			}
			return c.ours(s.PeerCertificates[0])
		},
		// A ticket would let one connection be linked to the next, and would
		// carry an old certificate over into a new handshake.
		SessionTicketsDisabled: true,
	}, nil
}

// currentServer returns the gateway's certificate, a fresh one if it is due.
func (c *CA) currentServer() (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	leaf := c.server.tls.Leaf
	due := leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 3 * 2)
	now := c.Now()
	if now.Before(due) {
		return c.server.tls, nil
	}
	fresh, err := c.newServer(c.server.hosts)
	if err != nil && now.Before(leaf.NotAfter) {
		return c.server.tls, nil // the old one still serves
	}
	if err != nil {
		return nil, fmt.Errorf("renew server certificate: %w", err)
	}
	c.server.tls = fresh
	return fresh, nil
}

// ours checks that this authority made cert for a device. It does not look at
// the clock.
func (c *CA) ours(cert *x509.Certificate) error {
	// All that we sign is signed by the authority itself, so there is no chain
	// to build, and x509's Verify, which cannot leave dates out, is not needed.
	if err := cert.CheckSignatureFrom(c.cert); err != nil {
		return fmt.Errorf("client certificate is not one of ours: %w", err)
	}
	if cert.IsCA || len(cert.UnhandledCriticalExtensions) != 0 || !slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) {
		return errors.New("client certificate is not that of a device")
	}
	return nil
}
