package identity

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// callTimeout bounds one attempt, from the first packet to the answer.
const callTimeout = 30 * time.Second

// DialFunc opens a connection to the gateway, through a proxy if need be.
type DialFunc func(ctx context.Context, addr string) (net.Conn, error)

// connect opens a TLS connection and puts gRPC on it. TLS is not left to gRPC,
// which would turn every fault of it into the same text.
func connect(ctx context.Context, dial DialFunc, addr, serverName string, cfg *tls.Config) (*grpc.ClientConn, error) {
	if dial == nil {
		dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
	}
	raw, err := dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrUnreachable, cause(err))
	}
	cfg = cfg.Clone()
	cfg.ServerName = serverName
	cfg.NextProtos = []string{"h2"}
	conn := &notedConn{Conn: tls.Client(raw, cfg)}
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, handshakeError(err)
	}
	var used atomic.Bool
	cc, err := grpc.NewClient("passthrough:///gateway",
		grpc.WithTransportCredentials(insecure.NewCredentials()), // conn is TLS already
		grpc.WithAuthority(serverName),
		grpc.WithDisableRetry(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxFile)),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			if used.Swap(true) {
				return nil, errors.New("connection is over")
			}
			return conn, nil
		}))
	if err != nil {
		conn.Close()
		return nil, err
	}
	if err := ready(ctx, cc, conn); err != nil {
		cc.Close()
		conn.Close()
		return nil, err
	}
	return cc, nil
}

// ready waits until HTTP/2 stands. Only then has the server taken our
// certificate: in TLS 1.3 the client's handshake ends before that.
func ready(ctx context.Context, cc *grpc.ClientConn, conn *notedConn) error {
	for {
		cc.Connect()
		s := cc.GetState()
		if s == connectivity.Ready {
			return nil
		}
		if s == connectivity.TransientFailure || !cc.WaitForStateChange(ctx, s) {
			if err := conn.failure.Load(); err != nil {
				return handshakeError(*err)
			}
			return fmt.Errorf("%w: connection lost after the handshake", ErrUnreachable)
		}
	}
}

// notedConn remembers why reading ended; gRPC would turn it into text.
type notedConn struct {
	*tls.Conn
	failure atomic.Pointer[error]
}

// Read implements net.Conn.
func (c *notedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		c.failure.CompareAndSwap(nil, &err)
	}
	return n, err
}

func handshakeError(err error) error {
	var op *net.OpError
	switch {
	case errors.Is(err, ErrPin), errors.Is(err, ErrTLS):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &op) && (op.Op == "read" || op.Op == "write"):
		return fmt.Errorf("%w: connection lost in the handshake: %s", ErrUnreachable, cause(err))
	}
	return fmt.Errorf("%w: %s", ErrTLS, cause(err))
}

// cause is the text of a network error without the addresses that the standard
// library puts in: they are this device's own.
func cause(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		return "look up name: " + dns.Err
	case errors.As(err, &op):
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// pinned returns a TLS configuration that trusts the authority with the given
// pin and no other. Without a file that holds it, the authority must come in
// the server's chain. The authority found is left in *found.
func pinned(pin [sha256.Size]byte, known []*x509.Certificate, serverName string, found **x509.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The pin takes the place of the usual check, which knows whole
		// certificates only; VerifyConnection does all that it does.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			ca := byPin(pin, known)
			if ca == nil {
				ca = byPin(pin, s.PeerCertificates[1:])
			}
			if ca == nil {
				return fmt.Errorf("%w (hint: the token is for another gateway, or something on the way intercepts TLS)", ErrPin)
			}
			roots, middle := x509.NewCertPool(), x509.NewCertPool()
			roots.AddCert(ca)
			for _, c := range s.PeerCertificates[1:] {
				middle.AddCert(c)
			}
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
				Roots:         roots,
				Intermediates: middle,
				DNSName:       serverName,
				KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			})
			if err != nil {
				return fmt.Errorf("%w: %w", ErrTLS, err)
			}
			*found = ca
			return nil
		},
	}
}

// byPin finds an authority by the hash of its key.
func byPin(pin [sha256.Size]byte, certs []*x509.Certificate) *x509.Certificate {
	for _, c := range certs {
		if c.IsCA && sha256.Sum256(c.RawSubjectPublicKeyInfo) == pin {
			return c
		}
	}
	return nil
}

// reasons are the texts with which a gateway refuses. Any other text is not
// repeated: what a gateway says must not be able to reach the log.
var reasons = [...]string{
	"token unknown", "token used up", "token expired", "token revoked", "token malformed",
	"no client certificate", "certificate not from this gateway", "wrong trust domain",
	"device unknown", "device revoked", "certificate expired", "certificate not yet valid",
}

func reasonOf(s *status.Status) string {
	for _, r := range reasons {
		if s.Message() == r {
			return r
		}
	}
	return "for a reason that this agent does not know"
}

// callError turns the error of an RPC into one of ours.
func callError(err error) error {
	s := status.Convert(err)
	switch s.Code() {
	case codes.PermissionDenied:
		return fmt.Errorf("%w: %s (hint: make a new one with discreet-gateway token create)", ErrTokenRefused, reasonOf(s))
	case codes.Unauthenticated:
		return fmt.Errorf("%w: %s (hint: enrol again with a new token)", ErrRefused, reasonOf(s))
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.ResourceExhausted:
		return fmt.Errorf("%w: it answered %s", ErrUnreachable, s.Code())
	}
	return fmt.Errorf("gateway answered %s (hint: do the versions of agent and gateway fit?)", s.Code())
}
