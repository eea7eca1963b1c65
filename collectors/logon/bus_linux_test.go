package logon

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/bus"
	"github.com/discreet-agent/discreet/collectors/bus/bustest"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// login is a stand-in for logind on a real bus: it sends its signals.
func login(t *testing.T, address string) *dbus.Conn {
	t.Helper()
	c, err := bus.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.RequestName(bus.Login, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return c
}

func locked(t *testing.T, c *dbus.Conn, path dbus.ObjectPath, on bool) {
	t.Helper()
	err := c.Emit(path, bus.Properties+".PropertiesChanged", bus.Login+".Session",
		map[string]dbus.Variant{"LockedHint": dbus.MakeVariant(on)}, []string{})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLocksAndSleep hears signals of logind's on a real bus, of a session that is
// a person's and of one that is not, over an end of the bus.
func TestLocksAndSleep(t *testing.T) {
	address := bustest.Start(t)
	logind := login(t, address)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "3"), []byte("UID=1000\nUSER=maria\nACTIVE=1\nSTATE=active\nREMOTE=0\nTYPE=x11\nCLASS=user\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stats := &collectors.Stats{}
	c := &Collector{collectors.Env{Stats: stats}, func(env collectors.Env) (source, error) {
		f, err := openFiles(env, dir, "")
		if f != nil {
			f.bus = address
		}
		return f, err
	}}
	stats.SetNote("not yet")
	ctx, cancel := context.WithCancel(t.Context())
	events := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- c.Run(ctx, func(ev *eventv1.Event) {
			l := ev.GetLogon()
			events <- strings.TrimPrefix(l.GetKind().String(), "LOGON_KIND_") + " " + l.GetUser().GetName()
		})
	}()
	for deadline := time.Now().Add(10 * time.Second); stats.Note() != ""; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the bus is not heard after 10 s")
		}
	}
	locked(t, logind, sessionPaths+"_33", true)
	locked(t, logind, sessionPaths+"c1", true) // the login screen's
	locked(t, logind, sessionPaths+"_33", false)
	for _, on := range []bool{true, false} {
		if err := logind.Emit(bus.LoginPath, bus.Login+".Manager.PrepareForSleep", on); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"LOCK maria", "UNLOCK maria", "SLEEP ", "WAKE "} {
		select {
		case got := <-events:
			if got == "BOOT " {
				got = <-events // the machine has just started
			}
			if got != want {
				t.Errorf("heard %q; want %q", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("heard nothing within 10 s; want %q", want)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run() = %v; want nil", err)
	}
}

// TestBusThatIsNotThere: its absence is an error at once.
func TestBusThatIsNotThere(t *testing.T) {
	if _, err := bus.Dial(t.Context(), "unix:path="+filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("Dial() = nil; want an error")
	}
}

func TestParseSignal(t *testing.T) {
	changed := func(v any) []any {
		return []any{bus.Login + ".Session", map[string]dbus.Variant{"LockedHint": dbus.MakeVariant(v)}, []string{}}
	}
	const properties = bus.Properties + ".PropertiesChanged"
	for name, row := range map[string]struct {
		in   dbus.Signal
		want signal
		ok   bool
	}{
		"lock":            {dbus.Signal{Name: properties, Path: sessionPaths + "_32", Body: changed(true)}, signal{eventv1.LogonKind_LOGON_KIND_LOCK, "2"}, true},
		"unlock":          {dbus.Signal{Name: properties, Path: sessionPaths + "c3", Body: changed(false)}, signal{eventv1.LogonKind_LOGON_KIND_UNLOCK, "c3"}, true},
		"not a bool":      {dbus.Signal{Name: properties, Path: sessionPaths + "c3", Body: changed("yes")}, signal{}, false},
		"another object":  {dbus.Signal{Name: properties, Path: "/org/freedesktop/login1/user/_1000", Body: changed(true)}, signal{}, false},
		"another change":  {dbus.Signal{Name: properties, Path: sessionPaths + "c3", Body: []any{"x", map[string]dbus.Variant{}}}, signal{}, false},
		"no body":         {dbus.Signal{Name: properties, Path: sessionPaths + "c3"}, signal{}, false},
		"a body of words": {dbus.Signal{Name: bus.Login + ".Manager.PrepareForSleep", Body: []any{"x"}}, signal{}, false},
		"wake":            {dbus.Signal{Name: bus.Login + ".Manager.PrepareForSleep", Body: []any{false}}, signal{kind: eventv1.LogonKind_LOGON_KIND_WAKE}, true},
	} {
		if got, ok := parseSignal(&row.in); got != row.want || ok != row.ok {
			t.Errorf("%s: parseSignal = %v, %v; want %v, %v", name, got, ok, row.want, row.ok)
		}
	}
	for in, want := range map[string]string{"_31": "1", "c12": "c12", "_zz": "_zz", "_3": "_3", "": ""} {
		if got := unescape(in); got != want {
			t.Errorf("unescape(%q) = %q; want %q", in, got, want)
		}
	}
}
