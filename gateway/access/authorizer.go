package access

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/discreet-agent/discreet/gateway"
)

// The reasons for which a device is refused. Agents read them.
const (
	ReasonNoCertificate = "no client certificate"
	ReasonNotOurs       = "certificate not from this gateway"
	ReasonTrustDomain   = "wrong trust domain"
	ReasonUnknown       = "device unknown"
	ReasonRevoked       = "device revoked"
	ReasonExpired       = "certificate expired"
	ReasonNotYetValid   = "certificate not yet valid"
)

// Refusal says why a device may not go on. As the error of an RPC it becomes
// Unauthenticated with the reason as its text.
type Refusal struct{ Reason string }

// Error is the reason.
func (r *Refusal) Error() string { return r.Reason }

// GRPCStatus makes the refusal readable for the agent.
func (r *Refusal) GRPCStatus() *status.Status {
	return status.New(codes.Unauthenticated, r.Reason)
}

// Authorizer tells which device holds a certificate, and whether it may talk to
// us now. Streams that live long should ask again from time to time.
type Authorizer struct {
	CA       *CA
	Registry gateway.Registry
	Now      func() time.Time // nil: the clock of the CA
}

// Authorize returns the device that cert names. The error is a *Refusal where
// the device is at fault; any other is the registry's.
func (a *Authorizer) Authorize(ctx context.Context, cert *x509.Certificate) (gateway.Device, error) {
	rec, err := a.authorize(ctx, cert, 0)
	return rec.Device, err
}

// authorize lets certificates pass that expired less than grace ago.
func (a *Authorizer) authorize(ctx context.Context, cert *x509.Certificate, grace time.Duration) (gateway.DeviceRecord, error) {
	var none gateway.DeviceRecord
	if cert == nil {
		return none, &Refusal{ReasonNoCertificate}
	}
	// The handshake has checked this. It is checked again so that a listener
	// with another TLS configuration lets nobody in.
	if a.CA.ours(cert) != nil {
		return none, &Refusal{ReasonNotOurs}
	}
	if len(cert.URIs) != 1 || len(cert.DNSNames)+len(cert.EmailAddresses)+len(cert.IPAddresses) != 0 {
		return none, &Refusal{ReasonTrustDomain}
	}
	dev, err := ParseDeviceURI(a.CA.trustDomain, cert.URIs[0].String())
	if err != nil {
		return none, &Refusal{ReasonTrustDomain}
	}
	// Revoked comes before expired: an agent that reads expired would try to
	// renew, in vain.
	rec, err := a.Registry.Device(ctx, dev)
	if errors.Is(err, gateway.ErrNotFound) {
		return none, &Refusal{ReasonUnknown}
	}
	if err != nil {
		return none, fmt.Errorf("look up device: %w", err)
	}
	if rec.Revoked {
		return none, &Refusal{ReasonRevoked}
	}
	now := a.CA.Now
	if a.Now != nil {
		now = a.Now
	}
	switch t := now(); {
	case t.Before(cert.NotBefore):
		return none, &Refusal{ReasonNotYetValid}
	case t.After(cert.NotAfter.Add(grace)):
		return none, &Refusal{ReasonExpired}
	}
	return rec, nil
}

// PeerCertificate returns the client certificate of the RPC that ctx belongs
// to, or nil if there is none.
func PeerCertificate(ctx context.Context) *x509.Certificate {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return nil
	}
	return info.State.PeerCertificates[0]
}
