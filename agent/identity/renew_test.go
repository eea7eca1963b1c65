package identity_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/test/bufconn"

	"github.com/discreet-agent/discreet/agent/identity"
	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/access"
	"github.com/discreet-agent/discreet/gateway/access/accesstest"
)

const day = 24 * time.Hour

// enrolled returns a world in which the device is enrolled.
func enrolled(t *testing.T) (*world, *identity.Identity, identity.Renewal) {
	t.Helper()
	w := newWorld(t)
	id, err := identity.Enroll(t.Context(), w.req, w.log)
	if err != nil {
		t.Fatal(err)
	}
	return w, id, identity.Renewal{Address: w.req.Address, ServerName: "localhost", Dir: w.req.Dir}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRenew(t *testing.T) {
	w, old, r := enrolled(t)
	oldKey := read(t, r.Dir, "key.pem")
	tried := ""
	r.Verify = func(_ context.Context, id *identity.Identity) error {
		tried = id.Device()
		if !bytes.Equal(read(t, r.Dir, "key.pem"), oldKey) {
			t.Error("the key was swapped before the new one was tried")
		}
		return nil
	}
	id, err := identity.Renew(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if id.Device() != old.Device() || tried != old.Device() {
		t.Errorf("Renew() = device %s, tried %s; want %s", id.Device(), tried, old.Device())
	}
	if bytes.Equal(read(t, r.Dir, "key.pem"), oldKey) {
		t.Error("Renew() kept the key; want a new one")
	}
	if names := ls(t, r.Dir); names != "ca.pem cert.pem key.pem" {
		t.Errorf("files = %s; want ca.pem cert.pem key.pem", names)
	}
	rec, _ := w.reg.Device(t.Context(), gateway.Device(id.Device()))
	cert, _ := id.TLS().GetClientCertificate(nil)
	if want := cert.Leaf.SerialNumber.Text(16); rec.CertSerial != want {
		t.Errorf("serial in the registry = %s; want %s", rec.CertSerial, want)
	}
	if rec.Group != "test" {
		t.Errorf("group after renewal = %q; want test", rec.Group)
	}
}

// TestRenewTrialFails checks that a certificate that does not work never takes
// the place of one that may, and that the next try goes on with it.
func TestRenewTrialFails(t *testing.T) {
	w, _, r := enrolled(t)
	key := read(t, r.Dir, "key.pem")
	r.Verify = func(context.Context, *identity.Identity) error { return errors.New("no good") }
	if _, err := identity.Renew(t.Context(), r); err == nil || !strings.Contains(err.Error(), "no good") {
		t.Fatalf("Renew() = %v; want the trial's error", err)
	}
	if !bytes.Equal(read(t, r.Dir, "key.pem"), key) {
		t.Error("the old key is gone")
	}
	next := read(t, r.Dir, "next-key.pem")
	w.reg.Break(errors.New("asked for one more certificate"))
	r.Verify = nil
	if _, err := identity.Renew(t.Context(), r); err != nil {
		t.Fatalf("second Renew() = %v; want it to use the certificate that waits", err)
	}
	if !bytes.Equal(read(t, r.Dir, "key.pem"), next) {
		t.Error("key.pem is not the key that waited")
	}
}

func TestRenewRefused(t *testing.T) {
	tests := []struct {
		name, want string
		spoil      func(w *world, id *identity.Identity)
	}{
		{"revoked", "device revoked", func(w *world, id *identity.Identity) {
			w.reg.Revoke(context.Background(), gateway.Device(id.Device()))
		}},
		{"deleted", "device unknown", func(w *world, id *identity.Identity) {
			w.reg.Forget(gateway.Device(id.Device()))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, id, r := enrolled(t)
			tt.spoil(w, id)
			_, err := identity.Renew(t.Context(), r)
			if !errors.Is(err, identity.ErrRefused) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Renew() = %v; want ErrRefused with %q", err, tt.want)
			}
			if _, err := identity.Load(r.Dir); err != nil {
				t.Errorf("Load() = %v; want the old identity", err)
			}
		})
	}
}

// bubble is a gateway inside a synctest bubble, where days pass at once.
type bubble struct {
	w   *world
	lis atomic.Pointer[bufconn.Listener] // nil: away
}

func newBubble(t *testing.T) *bubble {
	b := &bubble{w: &world{ca: accesstest.NewCA(t), reg: accesstest.NewRegistry(), out: &logBuffer{}}}
	b.w.log = discardTo(b.w.out)
	b.w.token, b.w.rec = accesstest.NewToken(t, b.w.ca, b.w.reg, 1)
	b.w.req = identity.Request{
		Address:    "gw.example:8443",
		ServerName: "localhost",
		TokenFile:  filepath.Join(t.TempDir(), "token"),
		Dir:        filepath.Join(t.TempDir(), "identity"),
		Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			lis := b.lis.Load()
			if lis == nil {
				return nil, errors.New("no route to host")
			}
			return lis.DialContext(ctx)
		},
	}
	return b
}

func (b *bubble) serve(t *testing.T) {
	lis := bufconn.Listen(1 << 16)
	b.lis.Store(lis)
	accesstest.Serve(t, lis, access.NewEnrollment(b.w.ca, b.w.reg, access.EnrollmentOptions{}), serverTLS(t, b.w.ca))
}

func (b *bubble) renewal() identity.Renewal {
	return identity.Renewal{Address: b.w.req.Address, ServerName: "localhost", Dir: b.w.req.Dir, Dial: b.w.req.Dial}
}

func (b *bubble) enroll(t *testing.T) *identity.Identity {
	t.Helper()
	b.w.req.Token = []byte(b.w.token)
	id, err := identity.Enroll(t.Context(), b.w.req, b.w.log)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestRenewAfterExpiry(t *testing.T) {
	tests := []struct {
		name  string
		after time.Duration // since the enrolment
		ok    bool
	}{
		{"a day before the end", 29 * day, true},
		{"a day after the end", 31 * day, true},
		{"at the end of the grace", 119 * day, true},
		{"beyond the grace", 121 * day, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t)
				b.serve(t)
				old := b.enroll(t)
				time.Sleep(tt.after)
				id, err := identity.Renew(t.Context(), b.renewal())
				if !tt.ok {
					if !errors.Is(err, identity.ErrRefused) || !strings.Contains(err.Error(), "certificate expired") {
						t.Errorf("Renew() = %v; want ErrRefused, certificate expired", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if id.Device() != old.Device() || time.Until(id.NotAfter()).Round(time.Hour) != 30*day {
					t.Errorf("Renew() = device %s until %v; want %s for 30 days", id.Device(), id.NotAfter(), old.Device())
				}
			})
		})
	}
}

// TestKeeper lets a year pass, with a gateway that is away for a while.
func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		b.serve(t)
		id := b.enroll(t)
		var renewals atomic.Int64
		k := identity.NewKeeper(id, b.renewal(), func(n *identity.Identity) {
			if n.Device() != id.Device() {
				t.Errorf("renewed device = %s; want %s", n.Device(), id.Device())
			}
			renewals.Add(1)
		}, b.w.log)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()

		time.Sleep(100 * day)
		if n := renewals.Load(); n < 5 || n > 8 {
			t.Errorf("%d renewals in 100 days; want one about every 15 days", n)
		}
		away := b.lis.Swap(nil)
		time.Sleep(60 * day) // longer than the certificate lives
		n := renewals.Load()
		b.lis.Store(away)
		time.Sleep(2 * time.Hour)
		if renewals.Load() != n+1 {
			t.Errorf("%d renewals in the two hours after the gateway came back; want 1", renewals.Load()-n)
		}
		if got := strings.Count(b.w.out.String(), "certificate not renewed"); got != 1 {
			t.Errorf("%d warnings about one absence; want 1", got)
		}
		// A gateway that kicks without end gets no more than its share.
		n = renewals.Load()
		for range 60 {
			k.Kick()
			time.Sleep(time.Minute)
		}
		if got := renewals.Load() - n; got < 4 || got > 7 {
			t.Errorf("%d renewals for an hour of kicks; want about one in ten minutes", got)
		}
		if k.Identity().NotAfter().Before(time.Now().Add(29 * day)) {
			t.Error("Identity() is not the newest")
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v; want nil", err)
		}
	})
}
