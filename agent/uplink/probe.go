package uplink

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// Step is one step on the way to the gateway.
type Step struct {
	Name   string // resolve, connect, tls or hello
	OK     bool
	Reason Reason // why not
	Text   string // the same in words, with a way out
	Took   time.Duration
}

// ProbeResult holds the steps that were tried, in order. The last one is the
// one that did not succeed, if any.
type ProbeResult struct {
	Steps  []Step
	Expiry time.Time     // of the gateway's certificate; zero if it was not seen
	Skew   time.Duration // of the gateway's clock against ours
}

// OK reports whether the gateway greeted us.
func (r ProbeResult) OK() bool {
	n := len(r.Steps)
	return n > 0 && r.Steps[n-1].Name == "hello" && r.Steps[n-1].OK
}

// add notes a step and reports whether it succeeded.
func (r *ProbeResult) add(name string, began time.Time, reason Reason) bool {
	r.Steps = append(r.Steps, Step{
		Name: name, OK: reason == ReasonNone, Reason: reason, Text: reason.Text(), Took: time.Since(began),
	})
	return reason == ReasonNone
}

// Probe tries the way to the gateway step by step, for doctor: the name (not
// behind a proxy, which resolves it), the connection or the tunnel, TLS, and a
// Hello that names no epoch. It sends no record.
func Probe(ctx context.Context, o Options) ProbeResult {
	o = o.withDefaults()
	var r ProbeResult
	began := time.Now()
	host, _, err := net.SplitHostPort(o.Address)
	if err != nil || host == "" {
		r.add("resolve", began, ReasonAddress)
		return r
	}
	if o.Proxy == "" && net.ParseIP(host) == nil {
		_, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			r.add("resolve", began, dialReason(err))
			return r
		}
		r.add("resolve", began, ReasonNone)
	}
	conf, err := o.tlsConfig()
	if err != nil {
		r.add("tls", time.Now(), ReasonIdentity)
		return r
	}
	if !r.shake(ctx, o, conf) {
		return r
	}
	began = time.Now()
	reason := r.greet(ctx, o, conf)
	r.add("hello", began, reason)
	return r
}

// shake tries the connection and TLS, on a connection of its own.
func (r *ProbeResult) shake(ctx context.Context, o Options, conf *tls.Config) bool {
	began := time.Now()
	raw, err := o.connect(ctx)
	if err != nil {
		return r.add("connect", began, dialReason(err))
	}
	defer raw.Close()
	r.add("connect", began, ReasonNone)
	began = time.Now()
	ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	conn := tls.Client(raw, conf)
	if err := conn.HandshakeContext(ctx); err != nil {
		return r.add("tls", began, handshakeReason(err))
	}
	if certs := conn.ConnectionState().PeerCertificates; len(certs) > 0 {
		r.Expiry = certs[0].NotAfter
	}
	return r.add("tls", began, ReasonNone)
}

// greet says Hello on a second connection and waits for the Welcome.
func (r *ProbeResult) greet(ctx context.Context, o Options, conf *tls.Config) Reason {
	ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	f := &faults{}
	c := New(nil, o)
	conn, err := o.dial(conf, f, &c.sent)
	if err != nil {
		return ReasonAddress
	}
	defer conn.Close()
	reason := func(err error) Reason {
		if ctx.Err() != nil {
			return ReasonTimeout
		}
		return c.reason(ctx, err, false, f)
	}
	stream, err := uplinkv1.NewUplinkClient(conn).Stream(ctx)
	if err != nil {
		return reason(err)
	}
	stream.Send(hello(o.AgentVersion, nil)) // Recv tells why it cannot be sent
	down, err := stream.Recv()
	if err != nil {
		return reason(err)
	}
	w := down.GetWelcome()
	if w == nil {
		return reason(fmt.Errorf("%w: no welcome", errProtocol))
	}
	if ms := w.GetServerUnixMs(); ms > 0 {
		r.Skew = time.Until(time.UnixMilli(ms)).Round(time.Second)
	}
	stream.CloseSend()
	return ReasonNone
}
