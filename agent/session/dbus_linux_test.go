package session

import (
	"context"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/discreet-agent/discreet/collectors/bus"
	"github.com/discreet-agent/discreet/collectors/bus/bustest"
)

// realBus runs a message bus of our own, with a connection that plays services on
// it.
func realBus(t *testing.T) (address string, service *dbus.Conn) {
	t.Helper()
	address = bustest.Start(t)
	service, err := bus.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	return address, service
}

// sourceOf runs one source against an environment and returns what it tells.
func sourceOf(t *testing.T, run desktop, env map[string]string) <-chan event {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan event, 10)
	d := &desk{ctx: ctx, getenv: func(name string) string { return env[name] }, want: Wants{true, true}, lag: testIdle, out: out}
	done := make(chan error, 1)
	go func() { done <- run(ctx, d) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("source ended with %v; want nil", err)
		}
	})
	return out
}

func hear(t *testing.T, from <-chan event, want event) {
	t.Helper()
	select {
	case got := <-from:
		if got != want {
			t.Errorf("told %+v; want %+v", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("told nothing within 10 s; want %+v", want)
	}
}

// logind plays what the helper asks of logind.
type logind struct{ locked bool }

func (logind) GetSession(name string) (dbus.ObjectPath, *dbus.Error) {
	return bus.LoginPath + "/session/_31", nil
}

func (l logind) Get(iface, name string) (dbus.Variant, *dbus.Error) {
	return dbus.MakeVariant(l.locked), nil
}

// TestLockAndSleep: a session that is locked at the start, unlocked, and a device
// that sleeps while it is locked again: one suspension each.
func TestLockAndSleep(t *testing.T) {
	address, service := realBus(t)
	const path = bus.LoginPath + "/session/_31"
	if err := service.Export(logind{true}, bus.LoginPath, bus.Login+".Manager"); err != nil {
		t.Fatal(err)
	}
	if err := service.Export(logind{true}, path, bus.Properties); err != nil {
		t.Fatal(err)
	}
	if _, err := service.RequestName(bus.Login, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	told := sourceOf(t, lockDesktop, map[string]string{"DBUS_SYSTEM_BUS_ADDRESS": address})
	emit := func(path dbus.ObjectPath, name string, args ...any) {
		t.Helper()
		if err := service.Emit(path, name, args...); err != nil {
			t.Fatal(err)
		}
	}
	hint := func(path dbus.ObjectPath, on bool) {
		t.Helper()
		emit(path, bus.Properties+".PropertiesChanged", bus.Login+".Session", map[string]dbus.Variant{"LockedHint": dbus.MakeVariant(on)}, []string{})
	}
	hear(t, told, event{kind: suspend})
	hint(bus.LoginPath+"/session/c2", false) // another person's
	hint(path, false)
	hear(t, told, event{kind: resume})
	hint(path, true)
	hear(t, told, event{kind: suspend})
	emit(bus.LoginPath, bus.Login+".Manager.PrepareForSleep", true)
	emit(bus.LoginPath, bus.Login+".Manager.PrepareForSleep", false)
	hint(path, false)
	hear(t, told, event{kind: resume})
}

// monitor plays GNOME's monitor of idle time.
type monitor struct{ asked chan uint64 }

func (m monitor) AddIdleWatch(ms uint64) (uint32, *dbus.Error) { m.asked <- ms; return 7, nil }
func (m monitor) AddUserActiveWatch() (uint32, *dbus.Error)    { m.asked <- 0; return 8, nil }

func TestMutter(t *testing.T) {
	address, service := realBus(t)
	m := monitor{make(chan uint64, 10)}
	if err := service.Export(m, mutterPath, mutter); err != nil {
		t.Fatal(err)
	}
	if _, err := service.RequestName(mutter, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	told := sourceOf(t, mutterDesktop, map[string]string{"DBUS_SESSION_BUS_ADDRESS": address})
	hear(t, told, event{kind: reason, why: WhyNone})
	hear(t, told, event{kind: answers})
	if ms := <-m.asked; ms != uint64(testIdle/time.Millisecond) {
		t.Errorf("asked to be told after %d ms; want %v", ms, testIdle)
	}
	fire := func(id uint32) {
		t.Helper()
		if err := service.Emit(mutterPath, mutter+".WatchFired", id); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		fire(7)
		hear(t, told, event{kind: idle, quiet: testIdle})
		<-m.asked
		fire(99) // another program's
		fire(8)
		hear(t, told, event{kind: resumed})
	}
}
