package identity_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/discreet-agent/discreet/agent/identity"
	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/access"
	"github.com/discreet-agent/discreet/gateway/access/accesstest"
	enrollv1 "github.com/discreet-agent/discreet/proto/enroll/v1"
)

func TestEnroll(t *testing.T) {
	w := newWorld(t)
	w.req.CAPin = strings.ToUpper(w.ca.Pin())
	id, err := identity.Enroll(t.Context(), w.req, w.log)
	if err != nil {
		t.Fatal(err)
	}
	again, err := identity.Load(w.req.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if again.Device() != id.Device() {
		t.Errorf("Load().Device() = %s; want %s", again.Device(), id.Device())
	}
	rec, err := w.reg.Device(t.Context(), gateway.Device(id.Device()))
	if err != nil {
		t.Fatalf("registry: %v", err)
	}
	if rec.Group != "test" || rec.AgentVersion != "1.2.3" || !rec.CertExpires.Equal(id.NotAfter()) {
		t.Errorf("record = %+v", rec)
	}
	if _, err := os.Stat(w.req.TokenFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("token file after enrolment: %v; want none", err)
	}
	for name, want := range map[string]fs.FileMode{".": 0o700, "key.pem": 0o600} {
		info, err := os.Stat(filepath.Join(w.req.Dir, name))
		if err != nil || modesTell && info.Mode().Perm() != want {
			t.Errorf("mode of %s = %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	if names := ls(t, w.req.Dir); names != "ca.pem cert.pem key.pem" {
		t.Errorf("files = %s; want ca.pem cert.pem key.pem", names)
	}
	half := id.NotAfter().Add(-15 * 24 * time.Hour)
	if d := id.RenewAt().Sub(half).Abs(); d > 36*time.Hour+10*time.Minute || !again.RenewAt().Equal(id.RenewAt()) {
		t.Errorf("RenewAt() = %v, then %v; want one time within 36 h of %v", id.RenewAt(), again.RenewAt(), half)
	}
}

// TestEnrollTwice covers the rule that nothing of the old device goes on.
func TestEnrollTwice(t *testing.T) {
	w := newWorld(t)
	first, err := identity.Enroll(t.Context(), w.req, w.log)
	if err != nil {
		t.Fatal(err)
	}
	token, _ := accesstest.NewToken(t, w.ca, w.reg, 1)
	w.req.TokenFile, w.req.Stdin = "-", strings.NewReader("  "+token+"\r\n")
	second, err := identity.Enroll(t.Context(), w.req, w.log)
	if err != nil {
		t.Fatal(err)
	}
	if first.Device() == second.Device() {
		t.Error("the second enrolment gave the same device id; want a new one")
	}
	if id, err := identity.Load(w.req.Dir); err != nil || id.Device() != second.Device() {
		t.Errorf("Load() = %v; want the second device", err)
	}
}

func TestTokenRefused(t *testing.T) {
	tests := []struct {
		name, want string
		spoil      func(t *testing.T, w *world)
	}{
		{"used up", "token used up", func(t *testing.T, w *world) {
			if _, err := w.reg.UseToken(t.Context(), w.rec.Hash, time.Now()); err != nil {
				t.Fatal(err)
			}
		}},
		{"revoked", "token revoked", func(t *testing.T, w *world) {
			if err := w.reg.RevokeToken(t.Context(), w.rec.ID); err != nil {
				t.Fatal(err)
			}
		}},
		{"expired", "token expired", func(t *testing.T, w *world) {
			w.rec.Expires = time.Now().Add(-time.Second)
			w.reg.PutToken(t.Context(), w.rec)
		}},
		{"unknown", "token unknown", func(t *testing.T, w *world) {
			token, _, err := access.NewToken(w.ca.Pin(), access.TokenOptions{Group: "g", Uses: 1, Now: time.Now(), Expires: time.Now().Add(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			w.token = token
			writeToken(t, w.req.TokenFile, token)
		}},
		{"garbage", "token malformed", func(t *testing.T, w *world) { writeToken(t, w.req.TokenFile, "hunter2") }},
		{"cut short", "token malformed", func(t *testing.T, w *world) { writeToken(t, w.req.TokenFile, w.token[:80]) }},
		{"empty", "token malformed", func(t *testing.T, w *world) { writeToken(t, w.req.TokenFile, "") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.spoil(t, w)
			_, err := identity.Enroll(t.Context(), w.req, w.log)
			if !errors.Is(err, identity.ErrTokenRefused) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("Enroll() = %v; want ErrTokenRefused with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), w.token[4:20]) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("Enroll() = %v; want no token in it", err)
			}
			if _, err := os.Stat(w.req.TokenFile); err != nil {
				t.Errorf("token file after a refusal: %v; want it kept", err)
			}
			if _, err := identity.Load(w.req.Dir); !errors.Is(err, identity.ErrNotEnrolled) {
				t.Errorf("Load() = %v; want ErrNotEnrolled", err)
			}
		})
	}
}

// wrongGateways are ways in which the other side is not the one to trust.
var wrongGateways = []struct {
	name  string
	want  error
	spoil func(t *testing.T, w *world)
}{
	{"pin of another authority", identity.ErrPin, func(t *testing.T, w *world) {
		other := accesstest.NewCA(t)
		token, _ := accesstest.NewToken(t, other, w.reg, 1)
		writeToken(t, w.req.TokenFile, token)
	}},
	{"ca_pin of another authority", identity.ErrPin, func(t *testing.T, w *world) {
		w.req.CAPin = "sha256:" + strings.Repeat("0", 64)
	}},
	{"ca_file of another authority", identity.ErrPin, func(t *testing.T, w *world) {
		w.req.CAFile = writeCA(t, accesstest.NewCA(t))
	}},
	{"ca_file without a certificate", nil, func(t *testing.T, w *world) {
		w.req.CAFile = w.req.TokenFile
	}},
	{"another host name", identity.ErrTLS, func(t *testing.T, w *world) { w.req.ServerName = "gw.example" }},
	{"TLS 1.2 only", identity.ErrTLS, func(t *testing.T, w *world) {
		cfg := serverTLS(t, w.ca)
		cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		w.req.Address = serveTLS(t, cfg)
	}},
	{"the device certificate of a peer as server", identity.ErrTLS, func(t *testing.T, w *world) {
		peer, err := identity.Enroll(t.Context(), w.req, w.log)
		if err != nil {
			t.Fatal(err)
		}
		token, _ := accesstest.NewToken(t, w.ca, w.reg, 1)
		writeToken(t, w.req.TokenFile, token)
		cert, _ := peer.TLS().GetClientCertificate(nil)
		chain := &tls.Certificate{Certificate: [][]byte{cert.Certificate[0], w.ca.Certificate()}, PrivateKey: cert.PrivateKey}
		w.req.Address = serveTLS(t, &tls.Config{Certificates: []tls.Certificate{*chain}})
		w.req.Dir = filepath.Join(t.TempDir(), "other")
	}},
	{"no TLS", identity.ErrTLS, func(t *testing.T, w *world) {
		lis := accesstest.Listen(t)
		var wg sync.WaitGroup
		wg.Go(func() {
			if c, err := lis.Accept(); err == nil {
				io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
				c.Close()
			}
		})
		t.Cleanup(func() { lis.Close(); wg.Wait() })
		w.req.Address = lis.Addr().String()
	}},
	{"nobody there", identity.ErrUnreachable, func(t *testing.T, w *world) {
		lis := accesstest.Listen(t)
		w.req.Address = lis.Addr().String()
		lis.Close()
	}},
	{"gateway's store is broken", identity.ErrUnreachable, func(t *testing.T, w *world) { w.reg.Break(errors.New("disk full")) }},
}

func TestWrongGateway(t *testing.T) {
	for _, tt := range wrongGateways {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.spoil(t, w)
			_, err := identity.Enroll(t.Context(), w.req, w.log)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Fatalf("Enroll() = %v; want %v", err, tt.want)
			}
			t.Log(err)
			if _, err := identity.Load(w.req.Dir); !errors.Is(err, identity.ErrNotEnrolled) {
				t.Errorf("Load() = %v; want ErrNotEnrolled", err)
			}
			tokens, _ := w.reg.Tokens(t.Context())
			if tt.name != "the device certificate of a peer as server" && tokens[0].UsesLeft != 1 {
				t.Error("the token lost a use")
			}
		})
	}
}

func TestRightCAFile(t *testing.T) {
	w := newWorld(t)
	w.req.CAFile = writeCA(t, w.ca)
	if _, err := identity.Enroll(t.Context(), w.req, w.log); err != nil {
		t.Fatal(err)
	}
}

func TestTokenFileReadableByOthers(t *testing.T) {
	needsModes(t)
	w := newWorld(t)
	if err := os.Chmod(w.req.TokenFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := identity.Enroll(t.Context(), w.req, w.log); err != nil {
		t.Fatalf("Enroll() = %v; want success with a warning", err)
	}
	if !strings.Contains(w.out.String(), "token file is readable by others") {
		t.Errorf("log = %s; want a warning", w.out)
	}
}

func TestLoadExposedKey(t *testing.T) {
	needsModes(t)
	w := newWorld(t)
	if _, err := identity.Enroll(t.Context(), w.req, w.log); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o660} {
		if err := os.Chmod(filepath.Join(w.req.Dir, "key.pem"), mode); err != nil {
			t.Fatal(err)
		}
		if _, err := identity.Load(w.req.Dir); !errors.Is(err, identity.ErrKeyExposed) || !strings.Contains(err.Error(), "hint:") {
			t.Errorf("Load() with mode %v = %v; want ErrKeyExposed and a hint", mode, err)
		}
	}
}

// flaky passes calls on and then loses the first answers.
type flaky struct {
	enrollv1.EnrollmentServer
	mu   sync.Mutex
	lose int // guarded by mu
}

func (f *flaky) Enroll(ctx context.Context, req *enrollv1.EnrollRequest) (*enrollv1.EnrollResponse, error) {
	resp, err := f.EnrollmentServer.Enroll(ctx, req)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lose > 0 && err == nil {
		f.lose--
		return nil, status.Error(codes.Unavailable, "lost")
	}
	return resp, err
}

// TestAnswerLost enrols with a token for one device over a network that loses
// the answer.
func TestAnswerLost(t *testing.T) {
	w := newWorld(t)
	lis := accesstest.Listen(t)
	svc := &flaky{EnrollmentServer: access.NewEnrollment(w.ca, w.reg, access.EnrollmentOptions{}), lose: 1}
	accesstest.Serve(t, lis, svc, serverTLS(t, w.ca))
	w.req.Address = lis.Addr().String()
	if _, err := identity.Enroll(t.Context(), w.req, w.log); !errors.Is(err, identity.ErrUnreachable) {
		t.Fatalf("Enroll() = %v; want ErrUnreachable", err)
	}
	id, err := identity.Enroll(t.Context(), w.req, w.log)
	if err != nil {
		t.Fatalf("second Enroll() = %v; want success without a second use", err)
	}
	if devices, _ := w.reg.Devices(t.Context()); len(devices) != 1 || string(devices[0].Device) != id.Device() {
		t.Errorf("%d devices are known; want the one", len(devices))
	}
}

func TestDialIsUsed(t *testing.T) {
	w := newWorld(t)
	target := w.req.Address
	w.req.Address = "gw.example:8443"
	var asked string
	w.req.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
		asked = addr
		return new(net.Dialer).DialContext(ctx, "tcp", target)
	}
	if _, err := identity.Enroll(t.Context(), w.req, w.log); err != nil {
		t.Fatal(err)
	}
	if asked != "gw.example:8443" {
		t.Errorf("Dial(%q); want gw.example:8443", asked)
	}
}

// TestUplinkConfig uses the identity as the uplink does.
func TestUplinkConfig(t *testing.T) {
	w := newWorld(t)
	id, err := identity.Enroll(t.Context(), w.req, w.log)
	if err != nil {
		t.Fatal(err)
	}
	cfg := id.TLS()
	cfg.ServerName, cfg.NextProtos = "localhost", []string{"h2"}
	conn, err := tls.Dial("tcp", w.req.Address, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 9)); err != nil {
		t.Errorf("the gateway's first frame: %v", err)
	}
	auth := &access.Authorizer{CA: w.ca, Registry: w.reg}
	cert, _ := cfg.GetClientCertificate(nil)
	leaf, _ := x509.ParseCertificate(cert.Certificate[0])
	if dev, err := auth.Authorize(t.Context(), leaf); err != nil || string(dev) != id.Device() {
		t.Errorf("Authorize() = %v, %v; want %s", dev, err, id.Device())
	}
}
