package identity_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/discreet-agent/discreet/agent/identity"
	"github.com/discreet-agent/discreet/gateway/access/accesstest"
)

// slot is the files of an identity by name.
type slot map[string][]byte

func slotOf(t *testing.T, dir string) slot {
	t.Helper()
	s := slot{}
	for _, name := range []string{"key.pem", "cert.pem", "ca.pem"} {
		s[name] = read(t, dir, name)
	}
	return s
}

func (s slot) write(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		data, ok := s[trimNext(name)]
		if !ok {
			t.Fatalf("no file %s", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func trimNext(name string) string {
	if len(name) > 5 && name[:5] == "next-" {
		return name[5:]
	}
	return name
}

// TestCrash puts the folder into every state that a crash during an enrolment,
// a renewal or an enrolment at another gateway can leave. Load must find a whole
// identity, and the next renewal or enrolment must work from there.
func TestCrash(t *testing.T) {
	w, first, r := enrolled(t)
	old := slotOf(t, r.Dir)
	renewed, err := identity.Renew(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	fresh := slotOf(t, r.Dir)
	other, otherID, _ := enrolled(t)
	foreign := slotOf(t, other.req.Dir)

	all := []string{"key.pem", "cert.pem", "ca.pem"}
	tests := []struct {
		name      string
		of, after slot
		inUse     []string // files of the old identity
		now       []string // files of the new one
		want      string   // the device; empty: none
	}{
		{"enrolment, key written", nil, old, nil, []string{"next-key.pem"}, ""},
		{"enrolment, authority written", nil, old, nil, []string{"next-key.pem", "next-ca.pem"}, ""},
		{"enrolment, all written", nil, old, nil, []string{"next-key.pem", "next-cert.pem", "next-ca.pem"}, first.Device()},
		{"enrolment, key swapped", nil, old, nil, []string{"key.pem", "next-cert.pem", "next-ca.pem"}, first.Device()},
		{"enrolment, certificate swapped", nil, old, nil, []string{"key.pem", "cert.pem", "next-ca.pem"}, first.Device()},
		{"enrolment, renames out of order", nil, old, nil, []string{"next-key.pem", "cert.pem", "ca.pem"}, first.Device()},
		{"renewal, key written", old, fresh, all, []string{"next-key.pem"}, first.Device()},
		{"renewal, certificate written", old, fresh, all, []string{"next-key.pem", "next-cert.pem"}, first.Device()},
		{"renewal, key swapped", old, fresh, []string{"cert.pem", "ca.pem"}, []string{"key.pem", "next-cert.pem"}, renewed.Device()},
		{"renewal, renames out of order", old, fresh, []string{"key.pem", "ca.pem"}, []string{"next-key.pem", "cert.pem"}, renewed.Device()},
		{"other gateway, all written", old, foreign, all, []string{"next-key.pem", "next-cert.pem", "next-ca.pem"}, first.Device()},
		{"other gateway, key swapped", old, foreign, []string{"cert.pem", "ca.pem"}, []string{"key.pem", "next-cert.pem", "next-ca.pem"}, otherID.Device()},
		{"other gateway, certificate swapped", old, foreign, []string{"ca.pem"}, []string{"key.pem", "cert.pem", "next-ca.pem"}, otherID.Device()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "identity")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			tt.of.write(t, dir, tt.inUse...)
			tt.after.write(t, dir, tt.now...)
			id, err := identity.Load(dir)
			if tt.want == "" {
				if !errors.Is(err, identity.ErrNotEnrolled) {
					t.Fatalf("Load() = %v; want ErrNotEnrolled", err)
				}
			} else if err != nil || id.Device() != tt.want {
				t.Fatalf("Load() = %v, %v; want device %s", id, err, tt.want)
			}
			goOn(t, w, other, dir, tt.want, otherID.Device())
		})
	}
}

// goOn renews where there is an identity and enrols where there is none.
func goOn(t *testing.T, w, other *world, dir, device, otherDevice string) {
	t.Helper()
	if device == "" {
		enrolAgain(t, w, dir)
		return
	}
	r := identity.Renewal{Address: w.req.Address, ServerName: "localhost", Dir: dir}
	if device == otherDevice {
		r.Address = other.req.Address
	}
	if id, err := identity.Renew(t.Context(), r); err != nil || id.Device() != device {
		t.Errorf("Renew() after the crash = %v, %v; want device %s", id, err, device)
	}
	if names := ls(t, dir); names != "ca.pem cert.pem key.pem" && names != "ca.pem cert.pem key.pem next-ca.pem" {
		t.Errorf("files = %s; want one identity", names)
	}
	if id, err := identity.Load(dir); err != nil || id.Device() != device {
		t.Errorf("Load() after the renewal = %v, %v; want device %s", id, err, device)
	}
}

func enrolAgain(t *testing.T, w *world, dir string) {
	t.Helper()
	token, _ := accesstest.NewToken(t, w.ca, w.reg, 1)
	req := w.req
	req.Dir, req.Token = dir, []byte(token)
	id, err := identity.EnsureEnrolled(t.Context(), req, w.log)
	if err != nil {
		t.Fatalf("EnsureEnrolled() = %v; want success", err)
	}
	if again, err := identity.Load(dir); err != nil || again.Device() != id.Device() {
		t.Errorf("Load() = %v; want the new identity", err)
	}
}

// TestDamage cuts each file at many places. Load must say that the identity is
// damaged, and EnsureEnrolled must make a new one.
func TestDamage(t *testing.T) {
	w, _, r := enrolled(t)
	whole := slotOf(t, r.Dir)
	for name, data := range whole {
		for _, n := range []int{0, 1, 27, len(data) / 2, len(data) - 40} {
			t.Run(fmt.Sprintf("%s to %d bytes", name, n), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "identity")
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				whole.write(t, dir, "key.pem", "cert.pem", "ca.pem")
				if err := os.Truncate(filepath.Join(dir, name), int64(n)); err != nil {
					t.Fatal(err)
				}
				if _, err := identity.Load(dir); !errors.Is(err, identity.ErrDamaged) {
					t.Fatalf("Load() = %v; want ErrDamaged", err)
				}
				enrolAgain(t, w, dir)
			})
		}
	}
}
