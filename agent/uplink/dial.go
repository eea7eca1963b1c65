package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

const (
	// maxDown bounds a message of the gateway. The largest is a policy bundle.
	maxDown = 1 << 20
	// keepaliveEvery is below the idle limits of common proxies and NAT boxes;
	// grpc-go takes no less than 10 s.
	keepaliveEvery = 30 * time.Second
	maxHeaders     = 8 << 10
)

// Named errors of the way to the gateway.
var (
	errIdentity = errors.New("no usable identity")
	errAddress  = errors.New("address is not host:port")
)

// faults keeps the first error of each layer below gRPC, which hands on only
// their text.
type faults struct {
	mu                    sync.Mutex
	dial, handshake, read error // guarded by mu
	shaken                bool  // guarded by mu; TLS was established
}

func (f *faults) set(where *error, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *where == nil {
		*where = err
	}
}

// reason classifies what was seen, ReasonNone if nothing was.
func (f *faults) reason() Reason {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.handshake != nil:
		return handshakeReason(f.handshake)
	case f.dial != nil:
		return dialReason(f.dial)
	case f.read != nil:
		return readReason(f.read)
	case f.shaken:
		return ReasonDropped
	}
	return ReasonNone
}

// tlsConfig returns what the next dial uses.
func (o Options) tlsConfig() (*tls.Config, error) {
	if o.TLS == nil {
		return nil, errIdentity
	}
	conf, err := o.TLS()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errIdentity, err)
	}
	if conf == nil {
		return nil, errIdentity
	}
	conf = conf.Clone()
	conf.MinVersion, conf.MaxVersion = tls.VersionTLS13, 0
	conf.NextProtos = []string{"h2"}
	conf.ServerName = o.ServerName
	if conf.ServerName == "" {
		host, _, err := net.SplitHostPort(o.Address)
		if err != nil || host == "" {
			return nil, errAddress
		}
		conf.ServerName = host
	}
	return conf, nil
}

// connect opens the connection below TLS: straight to the gateway, or through
// the proxy. The environment is not asked.
func (o Options) connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	if _, _, err := net.SplitHostPort(o.Address); err != nil {
		return nil, errAddress
	}
	if o.Proxy == "" {
		return o.Dialer(ctx, o.Address)
	}
	return o.tunnel(ctx)
}

// dial prepares one connection; gRPC opens it with the first stream. The name
// of the gateway is resolved in our dialer (or by the proxy), never by gRPC.
func (o Options) dial(conf *tls.Config, f *faults, sent *atomic.Uint64) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+o.Address,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			conn, err := o.connect(ctx)
			if err != nil {
				f.set(&f.dial, err)
				return nil, err
			}
			return &countingConn{Conn: conn, sent: sent}, nil
		}),
		grpc.WithTransportCredentials(&watchedCreds{credentials.NewTLS(conf), f, o.DialTimeout}),
		grpc.WithNoProxy(), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(), grpc.WithDisableHealthCheck(),
		grpc.WithUserAgent("discreet-agent/"+o.AgentVersion), // gRPC appends its own version
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveEvery, Timeout: keepaliveEvery}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxDown)),
		grpc.WithMaxHeaderListSize(maxHeaders),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: o.DialTimeout}),
		grpc.WithReadBufferSize(0), grpc.WithWriteBufferSize(16<<10),
		grpc.WithStaticStreamWindowSize(64<<10), grpc.WithStaticConnWindowSize(64<<10),
	)
}

// watchedCreds is TLS that remembers why it did not come about.
type watchedCreds struct {
	credentials.TransportCredentials
	f       *faults
	timeout time.Duration
}

func (w *watchedCreds) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	conn, info, err := w.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		w.f.set(&w.f.handshake, err)
		return nil, nil, err
	}
	w.f.mu.Lock()
	w.f.shaken = true
	w.f.mu.Unlock()
	return &watchedConn{conn, w.f}, info, nil
}

func (w *watchedCreds) Clone() credentials.TransportCredentials {
	return &watchedCreds{w.TransportCredentials.Clone(), w.f, w.timeout}
}

// watchedConn remembers how reading ended: in TLS 1.3 a client learns only from
// its first read that its certificate was not taken.
type watchedConn struct {
	net.Conn
	f *faults
}

func (w *watchedConn) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.f.set(&w.f.read, err)
	}
	return n, err
}

// countingConn counts the bytes that leave.
type countingConn struct {
	net.Conn
	sent *atomic.Uint64
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent.Add(uint64(n))
	return n, err
}
