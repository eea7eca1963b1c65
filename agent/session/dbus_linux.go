package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	busWithin = 5 * time.Second
	login     = "org.freedesktop.login1"
	loginPath = "/org/freedesktop/login1"
	mutter    = "org.gnome.Mutter.IdleMonitor"
	// mutterPath is the monitor of all input devices together.
	mutterPath = "/org/gnome/Mutter/IdleMonitor/Core"
	properties = "org.freedesktop.DBus.Properties"
)

// errBusGone says that a bus or who answers on it went away.
var errBusGone = errors.New("the message bus went away")

// dialBus connects to the bus at an address. Everything on it is bounded in time:
// a bus that hangs is left, and tried again later.
func dialBus(ctx context.Context, address string) (*dbus.Conn, error) {
	c, err := dbus.Dial(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, errors.New("the message bus does not answer")
	}
	done := make(chan error, 1)
	go func() {
		err := c.Auth(nil)
		if err == nil {
			err = c.Hello()
		}
		done <- err
	}()
	select {
	case err = <-done:
	case <-time.After(busWithin):
		err = errors.New("no answer")
	}
	if err != nil {
		c.Close()
		<-contextOf(c).Done()
		return nil, errors.New("the message bus does not answer")
	}
	return c, nil
}

func contextOf(c *dbus.Conn) context.Context { return c.Context() }

// call asks and waits for the answer, at most busWithin.
func call(ctx context.Context, o dbus.BusObject, method string, into []any, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, busWithin)
	defer cancel()
	err := o.CallWithContext(ctx, method, 0, args...).Store(into...)
	if err != nil {
		return fmt.Errorf("%s: %w", method, errBusGone)
	}
	return nil
}

// lockDesktop follows logind: whether the session is locked, and whether the device
// is about to sleep (org.freedesktop.login1(5)).
func lockDesktop(ctx context.Context, d *desk) error {
	address := d.getenv("DBUS_SYSTEM_BUS_ADDRESS")
	if address == "" {
		address = "unix:path=/run/dbus/system_bus_socket"
	}
	c, err := dialBus(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	signals := make(chan *dbus.Signal, 16)
	c.Signal(signals)
	manager := c.Object(login, loginPath)
	var path dbus.ObjectPath
	if err := call(ctx, manager, login+".Manager.GetSession", []any{&path}, "auto"); err != nil {
		return err
	}
	if err := match(ctx, c, dbus.WithMatchInterface(login+".Manager"), dbus.WithMatchMember("PrepareForSleep")); err != nil {
		return err
	}
	if err := match(ctx, c, dbus.WithMatchInterface(properties), dbus.WithMatchObjectPath(path)); err != nil {
		return err
	}
	var locked dbus.Variant
	if err := call(ctx, c.Object(login, path), properties+".Get", []any{&locked}, login+".Session", "LockedHint"); err != nil {
		return err
	}
	s := lockState{d: d, path: path}
	s.lock(locked.Value())
	for {
		select {
		case <-ctx.Done():
			return nil
		case signal, ok := <-signals:
			if !ok {
				return errBusGone
			}
			s.take(signal)
		}
	}
}

func match(ctx context.Context, c *dbus.Conn, options ...dbus.MatchOption) error {
	ctx, cancel := context.WithTimeout(ctx, busWithin)
	defer cancel()
	if err := c.AddMatchSignalContext(ctx, options...); err != nil {
		return errBusGone
	}
	return nil
}

// lockState joins both reasons for which a session is suspended.
type lockState struct {
	d             *desk
	path          dbus.ObjectPath
	locked, sleep bool
	told          bool
}

func (s *lockState) lock(v any) {
	if on, ok := v.(bool); ok {
		s.locked = on
	}
	s.tell()
}

func (s *lockState) tell() {
	on := s.locked || s.sleep
	if on == s.told {
		return
	}
	s.told = on
	s.d.send(event{kind: map[bool]int{true: suspend, false: resume}[on]})
}

func (s *lockState) take(signal *dbus.Signal) {
	switch {
	case signal.Name == login+".Manager.PrepareForSleep" && len(signal.Body) == 1:
		if on, ok := signal.Body[0].(bool); ok {
			s.sleep = on
			s.tell()
		}
	case signal.Name == properties+".PropertiesChanged" && signal.Path == s.path && len(signal.Body) >= 2:
		if changed, ok := signal.Body[1].(map[string]dbus.Variant); ok {
			if v, ok := changed["LockedHint"]; ok {
				s.lock(v.Value())
			}
		}
	}
}

// mutterDesktop follows GNOME's monitor of idle time: it tells when there was no
// input for a while, and once when there is again.
func mutterDesktop(ctx context.Context, d *desk) error {
	address := d.getenv("DBUS_SESSION_BUS_ADDRESS")
	if address == "" {
		address = "unix:path=" + d.getenv("XDG_RUNTIME_DIR") + "/bus"
	}
	c, err := dialBus(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	signals := make(chan *dbus.Signal, 16)
	c.Signal(signals)
	monitor := c.Object(mutter, mutterPath)
	if err := match(ctx, c, dbus.WithMatchInterface(mutter), dbus.WithMatchMember("WatchFired")); err != nil {
		return err
	}
	var quiet, active uint32
	if err := call(ctx, monitor, mutter+".AddIdleWatch", []any{&quiet}, uint64(d.lag/time.Millisecond)); err != nil {
		return err
	}
	d.why(false, WhyNone)
	d.send(event{kind: answers})
	for {
		select {
		case <-ctx.Done():
			return nil
		case signal, ok := <-signals:
			if !ok {
				return errBusGone
			}
			if signal.Name != mutter+".WatchFired" || len(signal.Body) != 1 {
				continue
			}
			switch id, _ := signal.Body[0].(uint32); {
			case id == quiet:
				d.send(event{kind: idle, quiet: d.lag})
				if err := call(ctx, monitor, mutter+".AddUserActiveWatch", []any{&active}); err != nil {
					return err
				}
			case id == active && id != 0:
				active = 0
				d.send(event{kind: resumed})
			}
		}
	}
}
