// Package accesstest holds what tests of enrolment need: a registry in memory
// and a gateway on loopback that knows nothing but enrolment.
package accesstest

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/access"
	enrollv1 "github.com/discreet-agent/discreet/proto/enroll/v1"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// Registry is a gateway.Registry in memory. It is safe for concurrent use.
type Registry struct {
	mu       sync.Mutex
	err      error                                   // guarded by mu
	devices  map[gateway.Device]gateway.DeviceRecord // guarded by mu
	tokens   map[[32]byte]gateway.Token              // guarded by mu
	policies map[[32]byte]string                     // guarded by mu
}

var _ gateway.Registry = (*Registry)(nil)

// NewRegistry returns an empty registry.
func NewRegistry() *Registry {
	return &Registry{
		devices:  map[gateway.Device]gateway.DeviceRecord{},
		tokens:   map[[32]byte]gateway.Token{},
		policies: map[[32]byte]string{},
	}
}

// Break makes every later call fail with err, until Break(nil).
func (r *Registry) Break(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// PutDevice implements gateway.Registry.
func (r *Registry) PutDevice(_ context.Context, d gateway.DeviceRecord) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.Revoked = d.Revoked || r.devices[d.Device].Revoked
	if r.err == nil {
		r.devices[d.Device] = d
	}
	return r.err
}

// RenewDevice implements gateway.Registry.
func (r *Registry) RenewDevice(_ context.Context, dev gateway.Device, certSerial string, expires time.Time) error {
	return r.update(dev, func(d *gateway.DeviceRecord) { d.CertSerial, d.CertExpires = certSerial, expires })
}

// DescribeDevice implements gateway.Registry.
func (r *Registry) DescribeDevice(_ context.Context, dev gateway.Device, assetID string, tags []string, system eventv1.System) error {
	return r.update(dev, func(d *gateway.DeviceRecord) { d.AssetID, d.Tags, d.System = assetID, tags, system })
}

func (r *Registry) update(dev gateway.Device, change func(*gateway.DeviceRecord)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, ok := r.devices[dev]
	switch {
	case r.err != nil:
		return r.err
	case !ok:
		return gateway.ErrNotFound
	}
	change(&d)
	r.devices[dev] = d
	return nil
}

// Device implements gateway.Registry.
func (r *Registry) Device(_ context.Context, dev gateway.Device) (gateway.DeviceRecord, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return gateway.DeviceRecord{}, r.err
	}
	d, ok := r.devices[dev]
	if !ok {
		return gateway.DeviceRecord{}, gateway.ErrNotFound
	}
	return d, nil
}

// Devices implements gateway.Registry.
func (r *Registry) Devices(context.Context) ([]gateway.DeviceRecord, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []gateway.DeviceRecord
	for _, d := range r.devices {
		all = append(all, d)
	}
	return all, r.err
}

// Touch implements gateway.Registry.
func (r *Registry) Touch(_ context.Context, dev gateway.Device, at time.Time, agentVersion string, policyDigest []byte) error {
	return r.change(dev, func(d *gateway.DeviceRecord) {
		d.LastContact = at
		if agentVersion != "" {
			d.AgentVersion = agentVersion
		}
		if policyDigest != nil {
			d.PolicyDigest = policyDigest
		}
	})
}

// Revoke implements gateway.Registry.
func (r *Registry) Revoke(_ context.Context, dev gateway.Device) error {
	return r.change(dev, func(d *gateway.DeviceRecord) { d.Revoked = true })
}

func (r *Registry) change(dev gateway.Device, f func(*gateway.DeviceRecord)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, ok := r.devices[dev]
	if !ok {
		return gateway.ErrNotFound
	}
	f(&d)
	r.devices[dev] = d
	return r.err
}

// Forget removes a device, as a deletion does.
func (r *Registry) Forget(dev gateway.Device) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.devices, dev)
}

// PutToken implements gateway.Registry.
func (r *Registry) PutToken(_ context.Context, t gateway.Token) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.tokens[t.Hash] = t
	}
	return r.err
}

// Tokens implements gateway.Registry.
func (r *Registry) Tokens(context.Context) ([]gateway.Token, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []gateway.Token
	for _, t := range r.tokens {
		all = append(all, t)
	}
	return all, r.err
}

// RevokeToken implements gateway.Registry.
func (r *Registry) RevokeToken(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for h, t := range r.tokens {
		if t.ID == id {
			t.Revoked = true
			r.tokens[h] = t
			return r.err
		}
	}
	return gateway.ErrNotFound
}

// UseToken implements gateway.Registry.
func (r *Registry) UseToken(_ context.Context, hash [32]byte, now time.Time) (gateway.Token, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.tokens[hash]
	switch {
	case r.err != nil:
		return gateway.Token{}, r.err
	case !ok:
		return gateway.Token{}, gateway.ErrTokenUnknown
	case t.Revoked:
		return gateway.Token{}, gateway.ErrTokenRevoked
	case !now.Before(t.Expires):
		return gateway.Token{}, gateway.ErrTokenExpired
	case t.UsesLeft < 1:
		return gateway.Token{}, gateway.ErrTokenUsedUp
	}
	t.UsesLeft--
	r.tokens[hash] = t
	return t, nil
}

// PutPolicy implements gateway.Registry.
func (r *Registry) PutPolicy(_ context.Context, digest [32]byte, levels string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.policies[digest] = levels
	return r.err
}

// Policy implements gateway.Registry.
func (r *Registry) Policy(_ context.Context, digest [32]byte) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	levels, ok := r.policies[digest]
	if !ok {
		return "", gateway.ErrNotFound
	}
	return levels, r.err
}

// NewCA makes and opens an authority for localhost in a folder of the test.
func NewCA(t testing.TB) *access.CA {
	t.Helper()
	dir := t.TempDir()
	err := access.InitCA(dir, access.CAOptions{TrustDomain: "corp.example", Hosts: []string{"localhost", "127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := access.OpenCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// NewToken puts a token into reg that is good for an hour.
func NewToken(t testing.TB, ca *access.CA, reg gateway.Registry, uses int) (secret string, rec gateway.Token) {
	t.Helper()
	now := ca.Now()
	secret, rec, err := access.CreateToken(t.Context(), reg, ca.Pin(), access.TokenOptions{
		Group: "test", Uses: uses, Now: now, Expires: now.Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	return secret, rec
}

// Serve runs the enrolment service on lis until the test ends, or until stop is
// called.
func Serve(t testing.TB, lis net.Listener, svc enrollv1.EnrollmentServer, cfg *tls.Config) (stop func()) {
	t.Helper()
	srv := grpc.NewServer(grpc.Creds(credentials.NewTLS(cfg)))
	enrollv1.RegisterEnrollmentServer(srv, svc)
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(lis) })
	stop = sync.OnceFunc(func() {
		srv.Stop()
		wg.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// Listen opens a port on loopback.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return lis
}

// Gateway serves enrolment for ca on loopback and returns its address.
func Gateway(t testing.TB, ca *access.CA, reg gateway.Registry, o access.EnrollmentOptions) string {
	t.Helper()
	cfg, err := ca.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	lis := Listen(t)
	Serve(t, lis, access.NewEnrollment(ca, reg, o), cfg)
	return lis.Addr().String()
}
