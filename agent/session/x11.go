package session

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The client of X11 that is needed here: the active window's class and process,
// and alarms on the server's counter of idle time. It asks for no event that holds
// a key, a pointer or a title. X Window System Protocol, version 11; SYNC
// extension, version 3.1; Extended Window Manager Hints 1.5.

var le = binary.LittleEndian

var errX11 = errors.New("not what an X server sends")

const (
	maxX11Reply = 1 << 20

	x11ChangeAttributes = 2
	x11InternAtom       = 16
	x11GetProperty      = 20
	x11QueryExtension   = 98
	x11EventMask        = 1 << 11 // the attribute
	x11PropertyChange   = 1 << 22
	x11PropertyNotify   = 28

	syncInitialize = 0
	syncCounters   = 1
	syncAlarm      = 8
	syncNotify     = 1    // after the extension's first event
	syncAll        = 0x3f // counter, type, value, test, delta, events
	syncRises      = 0    // positive transition
	syncFalls      = 1
)

// x11 is one connection. One goroutine uses it.
type x11 struct {
	c      net.Conn
	seq    uint16
	base   uint32 // of the names that this client may give
	root   uint32
	events [][]byte // that came while a reply was waited for
	errors int      // that the server told of requests without a reply
}

// dialX11 connects to the display of an environment. A display of another machine
// is not ours to look at.
func dialX11(ctx context.Context, getenv func(string) string) (*x11, error) {
	number, ok := displayNumber(getenv("DISPLAY"))
	if !ok {
		return nil, errors.New("no local X11 display")
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", "@/tmp/.X11-unix/X"+number)
	if err != nil {
		if c, err = d.DialContext(ctx, "unix", "/tmp/.X11-unix/X"+number); err != nil {
			return nil, errors.New("the X11 display does not answer")
		}
	}
	x := &x11{c: c}
	if err := x.setup(cookieOf(getenv, number)); err != nil {
		c.Close()
		return nil, err
	}
	return x, nil
}

// displayNumber returns N of a DISPLAY of the form :N.S or unix:N.S.
func displayNumber(display string) (string, bool) {
	host, number, ok := strings.Cut(display, ":")
	number, _, _ = strings.Cut(number, ".")
	_, err := strconv.ParseUint(number, 10, 16)
	return number, ok && err == nil && (host == "" || host == "unix")
}

// cookieOf reads the cookie of a display from the person's file of them; none
// where there is none.
func cookieOf(getenv func(string) string, number string) []byte {
	file := getenv("XAUTHORITY")
	if file == "" {
		file = filepath.Join(getenv("HOME"), ".Xauthority")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil
	}
	return findCookie(data, number)
}

// findCookie looks for a cookie in the form of libXau: a family, then four counted
// texts, the address, the display's number, the kind and the cookie.
func findCookie(data []byte, number string) []byte {
	for len(data) >= 2 {
		data = data[2:]
		var parts [4][]byte
		for i := range parts {
			if len(data) < 2 {
				return nil
			}
			n := int(binary.BigEndian.Uint16(data))
			if data = data[2:]; len(data) < n {
				return nil
			}
			parts[i], data = data[:n], data[n:]
		}
		if (len(parts[1]) == 0 || string(parts[1]) == number) && string(parts[2]) == cookieKind {
			return parts[3]
		}
	}
	return nil
}

const cookieKind = "MIT-MAGIC-COOKIE-1"

// setup opens the connection and learns the root window.
func (x *x11) setup(cookie []byte) error {
	kind := cookieKind
	if cookie == nil {
		kind = ""
	}
	b := []byte{'l', 0, 11, 0, 0, 0}
	b = le.AppendUint16(b, uint16(len(kind)))
	b = le.AppendUint16(b, uint16(len(cookie)))
	b = append(b, 0, 0)
	b = pad(append(b, kind...))
	b = pad(append(b, cookie...))
	_ = x.c.SetDeadline(time.Now().Add(5 * time.Second))
	defer x.c.SetDeadline(time.Time{})
	if _, err := x.c.Write(b); err != nil {
		return fmt.Errorf("greet X11: %w", err)
	}
	var head [8]byte
	if _, err := io.ReadFull(x.c, head[:]); err != nil {
		return fmt.Errorf("greet X11: %w", err)
	}
	if head[0] != 1 {
		return errors.New("the X11 display refuses this person")
	}
	body := make([]byte, 4*int(le.Uint16(head[6:])))
	if _, err := io.ReadFull(x.c, body); err != nil {
		return fmt.Errorf("greet X11: %w", err)
	}
	var err error
	x.base, x.root, err = parseSetup(body)
	return err
}

// parseSetup finds the base of our names and the first screen's root window.
func parseSetup(b []byte) (base, root uint32, err error) {
	if len(b) < 32 {
		return 0, 0, errX11
	}
	vendor, formats := int(le.Uint16(b[16:])), int(b[21])
	at := 32 + (vendor+3)&^3 + 8*formats
	if b[20] == 0 || len(b) < at+4 {
		return 0, 0, errX11
	}
	return le.Uint32(b[4:]), le.Uint32(b[at:]), nil
}

// pad fills a request to words of four bytes.
func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// send writes a request: its code, a byte of data, and its body.
func (x *x11) send(code, data byte, body []byte) error {
	body = pad(body)
	b := le.AppendUint16([]byte{code, data}, uint16(1+len(body)/4))
	x.seq++
	_, err := x.c.Write(append(b, body...))
	return err
}

// message reads one message: 32 bytes, and for a reply what it says beyond.
func (x *x11) message() ([]byte, error) {
	b := make([]byte, 32)
	if _, err := io.ReadFull(x.c, b); err != nil {
		return nil, err
	}
	if b[0] != 1 && b[0]&0x7f != 35 { // neither a reply nor a generic event
		return b, nil
	}
	more := 4 * int64(le.Uint32(b[4:]))
	if more > maxX11Reply {
		return nil, errX11
	}
	b = append(b, make([]byte, more)...)
	_, err := io.ReadFull(x.c, b[32:])
	return b, err
}

// ask sends a request and returns its reply. An error of the server is an empty
// one: windows come and go while one asks about them.
func (x *x11) ask(code, data byte, body []byte) ([]byte, error) {
	// A display that hangs is left; waiting for an event may take for ever.
	_ = x.c.SetReadDeadline(time.Now().Add(5 * time.Second))
	defer x.c.SetReadDeadline(time.Time{})
	if err := x.send(code, data, body); err != nil {
		return nil, err
	}
	for range 10_000 {
		b, err := x.message()
		if err != nil {
			return nil, err
		}
		switch {
		case b[0] > 1:
			if len(x.events) < 1000 {
				x.events = append(x.events, b)
			}
		case le.Uint16(b[2:]) != x.seq: // of an earlier request
			x.errors++
		case b[0] == 0:
			return make([]byte, 32), nil
		default:
			return b, nil
		}
	}
	return nil, errX11
}

// event returns the next event, waiting for it.
func (x *x11) event() ([]byte, error) {
	if len(x.events) > 0 {
		e := x.events[0]
		x.events = x.events[1:]
		return e, nil
	}
	for {
		b, err := x.message()
		if err != nil || b[0] > 1 {
			return b, err
		}
	}
}

func words(v ...uint32) []byte {
	var b []byte
	for _, w := range v {
		b = le.AppendUint32(b, w)
	}
	return b
}

func named(name string) []byte {
	b := le.AppendUint16(nil, uint16(len(name)))
	return append(append(b, 0, 0), name...)
}

func (x *x11) atom(name string) (uint32, error) {
	b, err := x.ask(x11InternAtom, 0, named(name))
	if err != nil {
		return 0, err
	}
	return le.Uint32(b[8:]), nil
}

// extension returns an extension's code and its first event; 0 where the server
// has none.
func (x *x11) extension(name string) (code, event byte, err error) {
	b, err := x.ask(x11QueryExtension, 0, named(name))
	if err != nil || b[8] == 0 {
		return 0, 0, err
	}
	return b[9], b[10], nil
}

// property returns the first bytes of a window's property.
func (x *x11) property(window, atom uint32) ([]byte, error) {
	b, err := x.ask(x11GetProperty, 0, words(window, atom, 0, 0, 64))
	if err != nil {
		return nil, err
	}
	n := int64(le.Uint32(b[16:])) * int64(b[1]) / 8
	return b[32 : 32+min(n, int64(len(b)-32))], nil
}

// watch asks to be told when a window's properties change.
func (x *x11) watch(window uint32) error {
	return x.send(x11ChangeAttributes, 0, words(window, x11EventMask, x11PropertyChange))
}

// idleCounter returns the server's counter of idle time, in ms; 0 where it has
// none.
func (x *x11) idleCounter(sync byte) (uint32, error) {
	if _, err := x.ask(sync, syncInitialize, []byte{3, 1, 0, 0}); err != nil {
		return 0, err
	}
	b, err := x.ask(sync, syncCounters, nil)
	if err != nil {
		return 0, err
	}
	return findCounter(b, "IDLETIME"), nil
}

// findCounter looks for a counter in a list of them: a name each for us and for
// people, and a resolution between.
func findCounter(b []byte, name string) uint32 {
	n := le.Uint32(b[8:])
	for b = b[32:]; n > 0 && len(b) >= 14; n-- {
		size := int(le.Uint16(b[12:]))
		whole := (14 + size + 3) &^ 3
		if len(b) < 14+size {
			return 0
		}
		if bytes.Equal(b[14:14+size], []byte(name)) {
			return le.Uint32(b)
		}
		b = b[min(whole, len(b)):]
	}
	return 0
}

// alarm asks to be told each time the counter rises past ms, or falls below. It
// reports whether the server will.
func (x *x11) alarm(sync byte, id, counter uint32, test uint32, ms uint32) (bool, error) {
	before := x.errors
	if err := x.send(sync, syncAlarm, words(id, syncAll, counter, 0, 0, ms, test, 0, 0, 1)); err != nil {
		return false, err
	}
	// An error comes before the reply to what is asked next.
	_, _, err := x.extension("SYNC")
	return x.errors == before, err
}
