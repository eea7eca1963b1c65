package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"path/filepath"
	"sync"

	"github.com/discreet-agent/discreet/agent/identity"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// errNotEnrolled says that there is no certificate to show yet.
var errNotEnrolled = errors.New("not enrolled; hint: discreet-agent enroll --token-file FILE")

// identityDir is where the device's certificate and key lie.
func (a *Agent) identityDir() string {
	return filepath.Join(a.boot.StateDir, "identity")
}

// deliver sees to an identity, then empties the spool until ctx is done and what
// is durable has been sent. Until there is an identity events wait in the spool.
func (a *Agent) deliver(ctx context.Context) {
	if a.boot.Gateway.Address == "" {
		a.log.Warn("no gateway in the settings: events stay in the spool", "key", "gateway.address")
		<-ctx.Done()
		return
	}
	req := a.enrolRequest()
	id, err := identity.EnsureEnrolled(ctx, req, a.log)
	if err != nil {
		if ctx.Err() == nil {
			a.log.Error("not enrolled", "err", err)
			<-ctx.Done()
		}
		return
	}
	a.setIdentity(id)
	keeper := identity.NewKeeper(id, identity.Renewal{Address: req.Address, ServerName: req.ServerName, Dir: req.Dir, Dial: req.Dial},
		func(id *identity.Identity) { a.setIdentity(id); a.uplink.Kick() }, a.log)
	a.mu.Lock()
	a.keeper = keeper
	a.mu.Unlock()
	var renewing sync.WaitGroup
	renewing.Go(func() {
		if err := keeper.Run(ctx); err != nil {
			a.log.Error("certificate is not renewed any more", "err", err)
		}
	})
	if err := a.uplink.Run(ctx); err != nil {
		a.log.Error("uplink ended", "err", err)
	}
	renewing.Wait()
}

// enrolRequest is what the settings say of enrolment.
func (a *Agent) enrolRequest() identity.Request {
	set := a.boot
	return identity.Request{
		Address: set.Gateway.Address, ServerName: set.Gateway.Name, TokenFile: set.Gateway.TokenFile,
		CAFile: set.Gateway.CAFile, Dir: a.identityDir(), AgentVersion: a.o.Version, AssetID: a.assetID,
		Report: a.noteEnrolment,
	}
}

// noteEnrolment keeps why the last attempt to enrol did not work, for whoever asks.
func (a *Agent) noteEnrolment(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.enrolErr = ""
	if err != nil {
		a.enrolErr = err.Error()
	}
}

func (a *Agent) setIdentity(id *identity.Identity) {
	a.mu.Lock()
	a.ident = id
	a.mu.Unlock()
}

// directive follows what the gateway asks for beside the pace: it can only ask
// for a new certificate.
func (a *Agent) directive(d uplinkv1.DirectiveCode) {
	a.mu.Lock()
	keeper := a.keeper
	a.mu.Unlock()
	if d == uplinkv1.DirectiveCode_DIRECTIVE_CODE_ROTATE_CERT && keeper != nil {
		keeper.Kick()
	}
}

// spoolSize says how much waits, for the uplink's sign of life.
func (a *Agent) spoolSize() (events, bytes uint64) {
	st := a.spool.Stats()
	return uint64(max(st.Events, 0)), uint64(max(st.Bytes, 0))
}

// clientTLS is called for each connection: the certificate may be a new one.
func (a *Agent) clientTLS() (*tls.Config, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ident == nil {
		return nil, errNotEnrolled
	}
	return a.ident.TLS(), nil
}
