package uplink

import (
	"context"
	"crypto/tls"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestProbe(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*testing.T, *pair)
		want   string // the last step, and its reason
	}{
		{"all well", nil, "hello "},
		{"revoked", func(_ *testing.T, p *pair) {
			p.gw.onOpen = func() error { return status.Error(codes.Unauthenticated, "device revoked") }
		}, "hello revoked"},
		{"wrong name", func(_ *testing.T, p *pair) { p.o.ServerName = "other.test" }, "tls server_name"},
		{"wrong CA", func(t *testing.T, p *pair) {
			p.o.TLS = newAuthority(t).clientTLS(p.ca.issue(t, "agent", later()))
		}, "tls wrong_ca"},
		{"not enrolled", func(_ *testing.T, p *pair) { p.o.TLS = nil }, "tls no_identity"},
		{"port closed", func(_ *testing.T, p *pair) { p.o.Address = "127.0.0.1:1" }, "connect connection_refused"},
		{"proxy settings", func(_ *testing.T, p *pair) { p.o.Proxy = "https://proxy.test:1" }, "connect proxy_settings"},
		{"no port", func(_ *testing.T, p *pair) { p.o.Address = "gw.test" }, "resolve address"},
		{"no certificate shown", func(_ *testing.T, p *pair) {
			p.o.TLS = func() (*tls.Config, error) { return &tls.Config{RootCAs: p.ca.pool}, nil }
		}, "hello *"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, _ := newPair(t, func(p *pair) {
				if tt.change != nil {
					tt.change(t, p)
				}
			})
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			r := Probe(ctx, p.o)
			last := r.Steps[len(r.Steps)-1]
			got := fmt.Sprintf("%s %s", last.Name, last.Reason)
			if tt.want == "hello *" && last.Name == "hello" && last.Reason != ReasonNone {
				got = tt.want // alert or broken pipe: whichever comes first
			}
			if got != tt.want || r.OK() != (last.Reason == ReasonNone) || (last.Text == "") != last.OK {
				t.Errorf("Probe() ends with %+v; want %s", last, tt.want)
			}
			if last.Name == "hello" && r.Expiry.IsZero() {
				t.Error("Probe() gives no expiry of the gateway's certificate")
			}
		})
	}
}
