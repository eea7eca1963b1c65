package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"path/filepath"
	"sync"

	"github.com/discreet-agent/discreet/agent/identity"
	"github.com/discreet-agent/discreet/configs"
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
	laid, err := identity.TakeLaidToken(a.identityDir())
	if err != nil {
		a.log.Warn("the installer's token was not taken", "err", err)
	}
	if !a.awaitGateway(ctx) {
		return
	}
	req := a.enrolRequest()
	if laid != "" {
		req.TokenFile = laid
	}
	id, err := identity.EnsureEnrolled(ctx, req, a.log)
	if err != nil {
		if ctx.Err() == nil {
			a.log.Error("not enrolled", "err", err)
			<-ctx.Done()
		}
		return
	}
	a.setIdentity(id)
	if err := identity.ForgetLaidToken(a.identityDir()); err != nil {
		a.log.Warn("a token is left", "err", err)
	}
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

// awaitGateway waits until the settings name a gateway, and reports whether they do:
// a policy may come to a device long after the package.
func (a *Agent) awaitGateway(ctx context.Context) bool {
	if !a.unnamed {
		return true
	}
	a.log.Warn("no gateway in the settings: events stay in the spool", "key", "gateway.address")
	select {
	case <-ctx.Done():
		return false
	case <-a.named:
	}
	g := a.boot.Gateway
	a.uplink.Aim(g.Address, g.Name, g.Proxy, g.ProxyCredentialsFile)
	return true
}

// nameGateway takes the gateway over that settings name, where those of the start
// named none.
func (a *Agent) nameGateway(now configs.Uplink) {
	if a.boot.Gateway.Address != "" || now.Address == "" {
		return
	}
	a.boot.Gateway = now
	close(a.named)
}

// enrolRequest is what the settings say of enrolment.
func (a *Agent) enrolRequest() identity.Request {
	set := a.boot
	return identity.Request{
		Address: set.Gateway.Address, ServerName: set.Gateway.Name, TokenFile: set.Gateway.TokenFile,
		CAFile: set.Gateway.CAFile, CAPin: set.Gateway.CAPin, Dir: a.identityDir(), AgentVersion: a.o.Version, AssetID: a.assetID,
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
