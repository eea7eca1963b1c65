package session

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"time"
)

// The client of Wayland that is needed here: which window of another program is
// active, and when the person is idle. It makes no window and takes no input.
// Wayland 1.22; wlr-foreign-toplevel-management-unstable-v1, ext-idle-notify-v1,
// org_kde_kwin_idle.

var ne = binary.NativeEndian

var errWayland = errors.New("not what a Wayland display sends")

const (
	wlDisplay     = 1
	wlMaxMessage  = 1 << 16
	wlMaxWindows  = 4096
	wlMaxGlobals  = 1024
	wlSync        = 0
	wlGetRegistry = 1
	wlBind        = 0

	toplevelManager = "zwlr_foreign_toplevel_manager_v1"
	idleNotifier    = "ext_idle_notifier_v1"
	kdeIdle         = "org_kde_kwin_idle"
)

// wayland is one connection.
type wayland struct {
	c        io.ReadWriteCloser
	d        *desk
	ids      uint32
	globals  map[string]uint32 // name by interface
	registry uint32
	synced   uint32
	manager  uint32 // of windows; 0: none
	idle     uint32 // tells of idle time; 0: none
	tops     map[uint32]*toplevel
	front    program
}

// toplevel is a window. Its title is pushed too, and passed over.
type toplevel struct {
	app    string
	active bool
}

// waylandDesktop follows a Wayland display until ctx is done or the display ends.
// focus says whether it is to look for the active window too.
func waylandDesktop(ctx context.Context, d *desk, focus bool) error {
	path := d.getenv("WAYLAND_DISPLAY")
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.getenv("XDG_RUNTIME_DIR"), path)
	}
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return errors.New("the Wayland display does not answer")
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	defer c.Close()
	w := &wayland{c: c, d: d, ids: wlDisplay, globals: map[string]uint32{}, tops: map[uint32]*toplevel{}}
	return w.follow(focus)
}

func (w *wayland) id() uint32 { w.ids++; return w.ids }

func (w *wayland) follow(focus bool) error {
	w.registry, w.synced = w.id(), w.id()
	if err := w.send(wlDisplay, wlGetRegistry, wlNumber(w.registry)); err != nil {
		return err
	}
	if err := w.send(wlDisplay, wlSync, wlNumber(w.synced)); err != nil {
		return err
	}
	for {
		object, op, body, err := readWayland(w.c)
		if err != nil {
			return err
		}
		if err := w.event(object, op, body, focus); err != nil {
			return err
		}
	}
}

// readWayland reads one message: an object, a code and a body.
func readWayland(r io.Reader) (object uint32, op uint16, body []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, nil, err
	}
	word := ne.Uint32(head[4:])
	size := int(word >> 16)
	if size < len(head) || size > wlMaxMessage {
		return 0, 0, nil, errWayland
	}
	body = make([]byte, size-len(head))
	_, err = io.ReadFull(r, body)
	return ne.Uint32(head[:]), uint16(word), body, err
}

func (w *wayland) send(object uint32, op uint16, args ...[]byte) error {
	body := slices.Concat(args...)
	b := ne.AppendUint32(nil, object)
	b = ne.AppendUint32(b, uint32(8+len(body))<<16|uint32(op))
	_, err := w.c.Write(append(b, body...))
	return err
}

func wlNumber(v uint32) []byte { return ne.AppendUint32(nil, v) }

func wlText(s string) []byte {
	b := append(ne.AppendUint32(nil, uint32(len(s)+1)), s...)
	return pad(append(b, 0))
}

// readText reads a text of a body.
func readText(b []byte) (string, []byte, error) {
	if len(b) < 4 {
		return "", nil, errWayland
	}
	n := int(ne.Uint32(b))
	if b = b[4:]; n > len(b) || n < 0 {
		return "", nil, errWayland
	}
	if n == 0 {
		return "", b, nil
	}
	return string(b[:n-1]), b[min((n+3)&^3, len(b)):], nil
}

func (w *wayland) event(object uint32, op uint16, body []byte, focus bool) error {
	top := w.tops[object]
	switch {
	case object == wlDisplay && op == 0: // a mistake of ours, says the display
		return fmt.Errorf("the Wayland display ends the connection: %w", errWayland)
	case object == w.registry && op == 0:
		if len(body) < 8 || len(w.globals) >= wlMaxGlobals {
			return errWayland
		}
		iface, _, err := readText(body[4:])
		w.globals[iface] = ne.Uint32(body)
		return err
	case object == w.synced && op == 0:
		return w.bindAll(focus)
	case object == w.idle && w.idle != 0:
		if op == 0 {
			w.d.send(event{kind: idle, quiet: w.d.lag})
		} else {
			w.d.send(event{kind: resumed})
		}
	case object == w.manager && w.manager != 0 && op == 0:
		if len(body) < 4 || len(w.tops) >= wlMaxWindows {
			return errWayland
		}
		w.tops[ne.Uint32(body)] = &toplevel{}
	case top != nil:
		return w.window(object, top, op, body)
	}
	return nil
}

// bindAll asks for what the display has of what is wanted.
func (w *wayland) bindAll(focus bool) error {
	bind := func(iface string) (uint32, error) {
		name, ok := w.globals[iface]
		if !ok {
			return 0, nil
		}
		id := w.id()
		return id, w.send(w.registry, wlBind, wlNumber(name), wlText(iface), wlNumber(1), wlNumber(id))
	}
	if focus && w.d.want.Focus {
		var err error
		if w.manager, err = bind(toplevelManager); err != nil {
			return err
		}
		w.d.why(true, w.whyFocus())
	}
	if !w.d.want.Activity {
		return nil
	}
	seat, err := bind("wl_seat")
	if err != nil || seat == 0 {
		w.d.why(false, WhyProtocol)
		return err
	}
	lag := wlNumber(uint32(w.d.lag / time.Millisecond))
	notifier, err := bind(idleNotifier)
	if err == nil && notifier != 0 {
		w.idle = w.id()
		err = w.send(notifier, 1, wlNumber(w.idle), lag, wlNumber(seat))
	} else if notifier, err = bind(kdeIdle); err == nil && notifier != 0 {
		w.idle = w.id()
		err = w.send(notifier, 0, wlNumber(w.idle), wlNumber(seat), lag)
	}
	if err != nil {
		return err
	}
	if w.idle == 0 {
		w.d.why(false, WhyProtocol)
		return nil
	}
	w.d.why(false, WhyNone)
	w.d.send(event{kind: answers})
	return nil
}

// whyFocus says why this display does not tell which window is active.
func (w *wayland) whyFocus() Why {
	if w.manager != 0 {
		return WhyNone
	}
	return whyOf(w.d.getenv("XDG_CURRENT_DESKTOP"))
}

// window takes an event of a window: its program, its state, its end. Other events
// are not decoded, the title among them.
func (w *wayland) window(object uint32, t *toplevel, op uint16, body []byte) error {
	switch op {
	case 1: // app_id
		app, _, err := readText(body)
		if err != nil {
			return err
		}
		t.app = tidyApp(app)
	case 4: // state: a list of numbers, 2 is activated
		t.active = false
		if len(body) < 4 {
			return errWayland
		}
		for s := body[4:]; len(s) >= 4; s = s[4:] {
			t.active = t.active || ne.Uint32(s) == 2
		}
	case 5: // all of it was told
		w.settle()
	case 6: // closed
		delete(w.tops, object)
		w.settle()
	}
	return nil
}

// settle tells which program is in front if that has changed.
func (w *wayland) settle() {
	var p program
	for _, t := range w.tops {
		if t.active {
			p.app = t.app
		}
	}
	if p != w.front {
		w.front = p
		w.d.send(event{kind: focus, front: p})
	}
}
