package session

import (
	"bytes"
	"context"
	"time"
)

// x11Desktop follows an X11 display until ctx is done or the display ends.
func x11Desktop(ctx context.Context, d *desk) error {
	x, err := dialX11(ctx, d.getenv)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { x.c.Close() })
	defer stop()
	defer x.c.Close()
	w := &x11Watch{x: x, d: d}
	if err := w.start(); err != nil {
		return err
	}
	for {
		e, err := x.event()
		if err != nil {
			return err
		}
		if err := w.event(e); err != nil {
			return err
		}
	}
}

// x11Watch is what one follows on a display.
type x11Watch struct {
	x                  *x11
	d                  *desk
	active, pid, class uint32 // atoms
	sync, notify       byte   // the extension and its first event; 0: no idle time
	rises, falls       uint32 // alarms
}

func (w *x11Watch) start() error {
	if w.d.want.Focus {
		for name, atom := range map[string]*uint32{"_NET_ACTIVE_WINDOW": &w.active, "_NET_WM_PID": &w.pid, "WM_CLASS": &w.class} {
			var err error
			if *atom, err = w.x.atom(name); err != nil {
				return err
			}
		}
		if err := w.x.watch(w.x.root); err != nil {
			return err
		}
		w.d.why(true, WhyNone)
		if err := w.look(); err != nil {
			return err
		}
	}
	if !w.d.want.Activity {
		return nil
	}
	sync, notify, err := w.x.extension("SYNC")
	if err != nil {
		return err
	}
	if sync == 0 {
		w.d.why(false, WhyProtocol)
		return nil
	}
	counter, err := w.x.idleCounter(sync)
	if err != nil {
		return err
	}
	if counter == 0 {
		w.d.why(false, WhyProtocol)
		return nil
	}
	w.sync, w.notify, w.rises, w.falls = sync, notify, w.x.base|1, w.x.base|2
	lag := uint32(w.d.lag / time.Millisecond)
	rises, err := w.x.alarm(sync, w.rises, counter, syncRises, lag)
	if err != nil {
		return err
	}
	falls, err := w.x.alarm(sync, w.falls, counter, syncFalls, lag-1)
	if err != nil {
		return err
	}
	if !rises || !falls { // without them a person would count as active for ever
		w.sync = 0
		w.d.why(false, WhyProtocol)
		return nil
	}
	w.d.why(false, WhyNone)
	w.d.send(event{kind: answers})
	return nil
}

func (w *x11Watch) event(e []byte) error {
	switch code := e[0] & 0x7f; {
	case w.d.want.Focus && code == x11PropertyNotify && le.Uint32(e[8:]) == w.active:
		return w.look()
	case w.sync != 0 && code == w.notify+syncNotify:
		switch le.Uint32(e[4:]) {
		case w.rises:
			w.d.send(event{kind: idle, quiet: w.d.lag})
		case w.falls:
			w.d.send(event{kind: resumed})
		}
	}
	return nil
}

// look asks which window is active, and whose it is. Its title is not asked for.
func (w *x11Watch) look() error {
	b, err := w.x.property(w.x.root, w.active)
	if err != nil {
		return err
	}
	var p program
	if len(b) >= 4 && le.Uint32(b) != 0 {
		window := le.Uint32(b)
		class, err := w.x.property(window, w.class)
		if err != nil {
			return err
		}
		pid, err := w.x.property(window, w.pid)
		if err != nil {
			return err
		}
		p.app = classOf(class)
		if len(pid) >= 4 {
			p.pid = le.Uint32(pid)
		}
	}
	w.d.send(event{kind: focus, front: p})
	return nil
}

// classOf returns the class of WM_CLASS, which holds two texts: the instance and
// the class (Inter-Client Communication Conventions 4.1.2.5).
func classOf(b []byte) string {
	instance, rest, _ := bytes.Cut(b, []byte{0})
	class, _, _ := bytes.Cut(rest, []byte{0})
	if len(class) == 0 {
		class = instance
	}
	return tidyApp(string(class))
}
