package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	enrollv1 "github.com/discreet-agent/discreet/proto/enroll/v1"
)

// Request says where and with what to enrol.
type Request struct {
	Address    string    // host:port of the gateway
	ServerName string    // that its certificate must have; empty: the host of Address
	TokenFile  string    // "-" means Stdin
	Token      []byte    // the token itself; goes before TokenFile
	Stdin      io.Reader // for TokenFile "-"
	CAFile     string    // optional: the authority, beside the pin in the token
	CAPin      string    // optional: the pin that the token must have
	Dir        string    // where the identity is kept
	Dial       DialFunc  // nil: directly

	AgentVersion string
	// AssetID returns the inventory number, as far as the policy lets it leave: by
	// it a laptop that was set up anew takes the place of its old record. It is
	// asked at each attempt. nil: none is sent.
	AssetID func() string
	// Report is told how each attempt of EnsureEnrolled went, nil at the end; nil:
	// nobody wants to know.
	Report func(error)
}

func (r Request) asset() string {
	if r.AssetID == nil {
		return ""
	}
	return r.AssetID()
}

// Enroll trades the token for an identity and keeps it in req.Dir, in the place
// of one that may be there. The token file is deleted after that. The error is
// one of ErrTokenRefused, ErrPin, ErrTLS and ErrUnreachable where the way to
// the gateway or the gateway itself is at fault.
func Enroll(ctx context.Context, req Request, log *slog.Logger) (*Identity, error) {
	tok, err := readToken(req, log)
	if err != nil {
		return nil, err
	}
	id, err := enroll(ctx, req, tok)
	if err != nil {
		return nil, fmt.Errorf("enrol at %s: %w", req.Address, err)
	}
	if req.Token == nil && req.TokenFile != "-" {
		if err := os.Remove(req.TokenFile); err != nil {
			log.Warn("token file could not be deleted", "err", err, "hint", "delete it by hand: it may let other devices enrol")
		}
	}
	log.Info("device enrolled", "device", id.Device(), "expires", id.NotAfter())
	return id, nil
}

func enroll(ctx context.Context, req Request, tok token) (*Identity, error) {
	if !tok.names(req.CAPin) {
		return nil, fmt.Errorf("%w: the token names another authority than ca_pin (hint: one of the two is from another gateway; \"discreet-gateway ca init\" showed its pin)", ErrPin)
	}
	known, err := readCAFile(req.CAFile)
	if err != nil {
		return nil, err
	}
	if known != nil && byPin(tok.pin, known) == nil {
		return nil, fmt.Errorf("%w: %s holds another authority (hint: one of the two is from another gateway)", ErrPin, req.CAFile)
	}
	if err := makePrivate(req.Dir); err != nil {
		return nil, fmt.Errorf("make folder of the identity: %w", err)
	}
	if err := settle(req.Dir); err != nil {
		return nil, err
	}
	name := serverName(req.ServerName, req.Address)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var ca *x509.Certificate
	cc, err := connect(ctx, req.Dial, req.Address, name, pinned(tok.pin, known, name, &ca))
	if err != nil {
		return nil, err
	}
	defer cc.Close()

	key, err := pendingKey(req.Dir)
	if err != nil {
		return nil, err
	}
	csr, err := makeCSR(key)
	if err != nil {
		return nil, err
	}
	resp, err := enrollv1.NewEnrollmentClient(cc).Enroll(ctx, &enrollv1.EnrollRequest{
		Token: tok.text, Csr: csr, AgentVersion: req.AgentVersion, AssetId: req.asset(),
	})
	if err != nil {
		return nil, callError(err)
	}
	id, err := answered(key, resp.GetCertificates(), ca)
	if err != nil {
		return nil, err
	}
	return id, save(req.Dir, id)
}

// save puts a whole identity, whose key lies in the side slot, into use.
func save(dir string, id *Identity) error {
	if err := writeNext(dir, caFile, []*x509.Certificate{id.ca}); err != nil {
		return err
	}
	if err := writeNext(dir, certFile, id.chain); err != nil {
		return err
	}
	return swap(dir)
}

// answered checks what the gateway sent. The authority is the one that the
// connection was checked against, whatever the answer holds.
func answered(key *ecdsa.PrivateKey, ders [][]byte, ca *x509.Certificate) (*Identity, error) {
	if len(ders) == 0 || len(ders) > 8 {
		return nil, fmt.Errorf("gateway sent %d certificates; want 1 to 8", len(ders))
	}
	var chain []*x509.Certificate
	for _, der := range ders {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, errors.New("gateway sent a certificate that cannot be read")
		}
		chain = append(chain, cert)
	}
	id, err := newIdentity(key, chain, ca)
	if err != nil {
		return nil, fmt.Errorf("gateway sent a certificate of no use: %w", err)
	}
	return id, nil
}

// readCAFile returns nil for no file.
func readCAFile(path string) ([]*x509.Certificate, error) {
	if path == "" {
		return nil, nil
	}
	data, err := readIfThere(path)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	certs := parseCerts(data)
	if certs == nil {
		return nil, fmt.Errorf("read ca_file %s: no certificate in PEM form (hint: copy ca.pem of the gateway there, or leave ca_file empty: the token names the authority)", path)
	}
	return certs, nil
}

func serverName(name, addr string) string {
	if name != "" {
		return name
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}
