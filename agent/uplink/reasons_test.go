package uplink

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestReasons(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	cert := ours.issue(t, "agent", later())
	dns := &net.DNSError{Err: "no such host", Name: "gw.test", Server: "192.0.2.53:53", IsNotFound: true}
	for _, tt := range []struct {
		name   string
		change func(*Options)
		server func(*tls.Config)
		open   error
		want   Reason
		cert   bool
	}{
		{name: "wrong CA of the gateway", change: func(o *Options) { o.TLS = other.clientTLS(cert) }, want: ReasonWrongCA},
		{name: "wrong name", change: func(o *Options) { o.ServerName = "other.test" }, want: ReasonServerName},
		{name: "gateway expired", server: func(c *tls.Config) {
			c.Certificates = []tls.Certificate{ours.issue(t, "gw.test", time.Now().Add(-time.Hour))}
		}, want: ReasonServerExpired},
		{name: "TLS 1.2", server: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 }, want: ReasonTLSVersion},
		{name: "no identity", change: func(o *Options) { o.TLS = func() (*tls.Config, error) { return nil, errors.New("x") } }, want: ReasonIdentity},
		{name: "revoked", open: status.Error(codes.Unauthenticated, "device revoked"), want: ReasonRevoked, cert: true},
		{name: "expired", open: status.Error(codes.Unauthenticated, "certificate expired"), want: ReasonExpired, cert: true},
		{name: "unknown", open: status.Error(codes.Unauthenticated, "device unknown"), want: ReasonUnknownDevice, cert: true},
		{name: "unreadable words", open: status.Error(codes.Unauthenticated, "canary jdoe"), want: ReasonCertNotTaken, cert: true},
		{name: "fault of the gateway", open: status.Error(codes.Internal, "canary jdoe"), want: ReasonGateway},
		{name: "too many streams", open: status.Error(codes.ResourceExhausted, "too many streams"), want: ReasonTooManyStreams},
		{name: "not host:port", change: func(o *Options) { o.Address = "gw.test" }, want: ReasonAddress},
		{name: "name not found", change: func(o *Options) {
			o.Dialer = func(context.Context, string) (net.Conn, error) { return nil, dns }
		}, want: ReasonDNS},
		{name: "port closed", change: func(o *Options) {
			l := loopback(t)
			o.Address = l.Addr().String()
			l.Close()
		}, want: ReasonConnRefused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := loopback(t)
			gw := newReceiver(t)
			if tt.open != nil {
				gw.onOpen = func() error { return tt.open }
			}
			conf := &tls.Config{
				MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.pool,
				Certificates: []tls.Certificate{ours.issue(t, "gw.test", later())},
			}
			if tt.server != nil {
				tt.server(conf)
			}
			t.Cleanup(serve(t, gw, ours, l, conf))
			o := quick(ours, cert, l.Addr().String())
			var log bytes.Buffer
			o.Log = slog.New(slog.NewTextHandler(&lockedBuffer{b: &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
			if tt.change != nil {
				tt.change(&o)
			}
			c := New(newMemory(t), o)
			stop := start(t, c)
			until(t, "an end", func() bool { return c.Status().Reconnects >= 2 })
			s := c.Status()
			stop()
			if s.Reason != tt.want || s.CertRefused != tt.cert || s.LastError == "" {
				t.Errorf("status = %q, %q, certificate refused %v; want %q, some text, %v", s.Reason, s.LastError, s.CertRefused, tt.want, tt.cert)
			}
			if strings.Contains(s.LastError+log.String(), "192.0.2.53") || strings.Contains(s.LastError+log.String(), "canary") {
				t.Errorf("words from outside are shown: %q\n%s", s.LastError, log.String())
			}
			if n := strings.Count(log.String(), "uplink not connected"); n != 1 {
				t.Errorf("logged %d times; want once a change:\n%s", n, log.String())
			}
		})
	}
}

// Which of these a client sees depends on who is faster: in TLS 1.3 it has
// finished its handshake when the gateway looks at its certificate.
func TestCertificateNotTaken(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	for name, conf := range map[string]func() (*tls.Config, error){
		"foreign CA": ours.clientTLS(other.issue(t, "agent", later())),
		"none":       func() (*tls.Config, error) { return &tls.Config{RootCAs: ours.pool}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			l := loopback(t)
			t.Cleanup(serve(t, newReceiver(t), ours, l, nil))
			o := quick(ours, tls.Certificate{}, l.Addr().String())
			o.TLS = conf
			c := New(newMemory(t), o)
			start(t, c)
			until(t, "an end", func() bool { return c.Status().Reconnects >= 1 })
			if r := c.Status().Reason; r != ReasonCertNotTaken && r != ReasonDropped {
				t.Errorf("reason = %q; want %q or %q", r, ReasonCertNotTaken, ReasonDropped)
			}
		})
	}
}

func TestNotTLS(t *testing.T) {
	ca := newAuthority(t)
	l := loopback(t)
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte("HTTP/1.1 302 Found\r\nLocation: http://sign-in.test/\r\n\r\n"))
			conn.Close()
		}
	}()
	c := New(newMemory(t), quick(ca, ca.issue(t, "agent", later()), l.Addr().String()))
	start(t, c)
	until(t, "the reason", func() bool { return c.Status().Reason == ReasonNotTLS })
}

func TestEveryReasonHasWords(t *testing.T) {
	for r, text := range reasonTexts {
		if text == "" || r == "" {
			t.Errorf("reasonTexts[%q] = %q; want words", r, text)
		}
	}
	for _, words := range []string{
		"certificate expired", "certificate not yet valid", "device revoked", "device unknown", "no client certificate",
		"certificate not from this gateway", "wrong trust domain", "too many streams", "malformed message",
		"policy unreadable", "protocol version",
	} {
		if refusal(words).Text() == "" {
			t.Errorf("refusal(%q) has no words", words)
		}
	}
}

func TestBackoff(t *testing.T) {
	const base, limit, first = time.Second, 15 * time.Minute, 30 * time.Second
	for _, tt := range []struct {
		name     string
		failures int
		healthy  bool
		drain    time.Duration
		low      time.Duration // with the smallest random number
		high     time.Duration // with the largest
	}{
		{"first failure", 0, false, 0, 0, base},
		{"fourth failure", 3, false, 0, 0, 8 * base},
		{"at the cap", 40, false, 0, limit / 2, limit + limit/2},
		{"healthy", 9, true, 0, 0, first},
		{"drain", 9, false, time.Minute, time.Minute, time.Minute + first},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for want, rand := range map[time.Duration]func(int64) int64{
				tt.low:      func(int64) int64 { return 0 },
				tt.high - 1: func(n int64) int64 { return n - 1 },
			} {
				b := backoff{base: base, cap: limit, first: first, rand: rand, failures: tt.failures}
				if got := b.next(tt.healthy, tt.drain); got != want {
					t.Errorf("next(%v, %v) = %v; want %v", tt.healthy, tt.drain, got, want)
				}
				if (tt.healthy || tt.drain > 0) && b.failures != 0 {
					t.Errorf("failures = %d; want 0", b.failures)
				}
			}
		})
	}
}
