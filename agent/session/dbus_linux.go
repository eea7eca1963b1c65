package session

import (
	"context"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/discreet-agent/discreet/collectors/bus"
)

const (
	mutter = "org.gnome.Mutter.IdleMonitor"
	// mutterPath is the monitor of all input devices together.
	mutterPath = "/org/gnome/Mutter/IdleMonitor/Core"
)

// lockDesktop follows logind: whether the session is locked, and whether the device
// is about to sleep (org.freedesktop.login1(5)).
func lockDesktop(ctx context.Context, d *desk) error {
	address := d.getenv("DBUS_SYSTEM_BUS_ADDRESS")
	if address == "" {
		address = bus.System
	}
	c, err := bus.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	signals := make(chan *dbus.Signal, 16)
	c.Signal(signals)
	manager := c.Object(bus.Login, bus.LoginPath)
	var path dbus.ObjectPath
	if err := bus.Call(ctx, manager, bus.Login+".Manager.GetSession", []any{&path}, "auto"); err != nil {
		return err
	}
	if err := bus.Match(ctx, c, dbus.WithMatchInterface(bus.Login+".Manager"), dbus.WithMatchMember("PrepareForSleep")); err != nil {
		return err
	}
	if err := bus.Match(ctx, c, dbus.WithMatchInterface(bus.Properties), dbus.WithMatchObjectPath(path)); err != nil {
		return err
	}
	var locked dbus.Variant
	if err := bus.Call(ctx, c.Object(bus.Login, path), bus.Properties+".Get", []any{&locked}, bus.Login+".Session", "LockedHint"); err != nil {
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
				return bus.Ended(ctx)
			}
			s.take(signal)
		}
	}
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
	case signal.Name == bus.Login+".Manager.PrepareForSleep" && len(signal.Body) == 1:
		if on, ok := signal.Body[0].(bool); ok {
			s.sleep = on
			s.tell()
		}
	case signal.Name == bus.Properties+".PropertiesChanged" && signal.Path == s.path && len(signal.Body) >= 2:
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
	c, err := bus.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	signals := make(chan *dbus.Signal, 16)
	c.Signal(signals)
	monitor := c.Object(mutter, mutterPath)
	if err := bus.Match(ctx, c, dbus.WithMatchInterface(mutter), dbus.WithMatchMember("WatchFired")); err != nil {
		return err
	}
	var quiet, active uint32
	if err := bus.Call(ctx, monitor, mutter+".AddIdleWatch", []any{&quiet}, uint64(d.lag/time.Millisecond)); err != nil {
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
				return bus.Ended(ctx)
			}
			if signal.Name != mutter+".WatchFired" || len(signal.Body) != 1 {
				continue
			}
			switch id, _ := signal.Body[0].(uint32); {
			case id == quiet:
				d.send(event{kind: idle, quiet: d.lag})
				if err := bus.Call(ctx, monitor, mutter+".AddUserActiveWatch", []any{&active}); err != nil {
					return err
				}
			case id == active && id != 0:
				active = 0
				d.send(event{kind: resumed})
			}
		}
	}
}
