package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	enrollv1 "github.com/discreet-agent/discreet/proto/enroll/v1"
)

// Renewal says where to renew, and how to make sure that the new certificate
// works before the old one is given up.
type Renewal struct {
	Address    string   // host:port of the gateway
	ServerName string   // that its certificate must have; empty: the host of Address
	Dir        string   // where the identity is kept
	Dial       DialFunc // nil: directly
	// Verify may try the new identity further, once a connection with it
	// stands. It may be nil.
	Verify func(context.Context, *Identity) error
}

// Renew gets a certificate for a new key, tries both and only then puts them in
// the place of the old ones. An expired certificate will do for as long as the
// gateway allows. The error is ErrRefused where the gateway wants no more of
// this device, and may be ErrTLS, ErrUnreachable or what Load returns.
func Renew(ctx context.Context, r Renewal) (*Identity, error) {
	id, err := renew(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("renew certificate: %w", err)
	}
	return id, nil
}

func renew(ctx context.Context, r Renewal) (*Identity, error) {
	if err := settle(r.Dir); err != nil {
		return nil, err
	}
	old, err := Load(r.Dir)
	if err != nil {
		return nil, err
	}
	next, err := pendingRenewal(r.Dir, old)
	if err != nil {
		return nil, err
	}
	if next == nil {
		if next, err = r.fetch(ctx, old); err != nil {
			return nil, err
		}
	}
	if err := r.try(ctx, next); err != nil {
		return nil, fmt.Errorf("try the new certificate: %w", err)
	}
	return next, swap(r.Dir)
}

// pendingRenewal returns an identity that waits in the side slot since a crash
// or a failed trial: the same device, with a newer certificate.
func pendingRenewal(dir string, old *Identity) (*Identity, error) {
	p, err := readParts(dir)
	if err != nil {
		return nil, err
	}
	if p.key[1] == nil || p.chain[1] == nil {
		return nil, nil
	}
	id, err := newIdentity(p.key[1], p.chain[1], old.ca)
	if err != nil || id.device != old.device || id.NotAfter().Before(old.NotAfter()) || !id.NotAfter().After(time.Now()) {
		return nil, nil // of no use; the next key takes its place
	}
	return id, nil
}

// fetch gets a new certificate and leaves it in the side slot with its key.
func (r Renewal) fetch(ctx context.Context, old *Identity) (*Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	cc, err := connect(ctx, r.Dial, r.Address, serverName(r.ServerName, r.Address), old.TLS())
	if err != nil {
		return nil, err
	}
	defer cc.Close()
	key, err := nextKey(r.Dir)
	if err != nil {
		return nil, err
	}
	csr, err := makeCSR(key)
	if err != nil {
		return nil, err
	}
	resp, err := enrollv1.NewEnrollmentClient(cc).Renew(ctx, &enrollv1.RenewRequest{Csr: csr})
	if err != nil {
		return nil, callError(err)
	}
	id, err := answered(key, resp.GetCertificates(), old.ca)
	if err != nil {
		return nil, err
	}
	if id.device != old.device {
		return nil, errors.New("gateway sent the certificate of another device")
	}
	return id, writeNext(r.Dir, certFile, id.chain)
}

// try connects with the new identity.
func (r Renewal) try(ctx context.Context, id *Identity) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	cc, err := connect(ctx, r.Dial, r.Address, serverName(r.ServerName, r.Address), id.TLS())
	if err != nil {
		return err
	}
	defer cc.Close()
	if r.Verify == nil {
		return nil
	}
	return r.Verify(ctx, id)
}
