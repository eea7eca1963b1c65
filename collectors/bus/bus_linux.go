// Package bus talks to a message bus of Linux, for what only it tells: logind's
// locks and sleep, and a desktop's idle time. Everything is bounded in time: a bus
// that hangs is left, and whoever needs it tries again later.
package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// The names and the place of logind (org.freedesktop.login1(5)), and the interface
// by which every object tells its properties.
const (
	Login      = "org.freedesktop.login1"
	LoginPath  = "/org/freedesktop/login1"
	Properties = "org.freedesktop.DBus.Properties"
	// System is where the system's bus is by default.
	System = "unix:path=/run/dbus/system_bus_socket"
)

const within = 5 * time.Second

// ErrGone says that a bus, or who answers on it, is not there.
var ErrGone = errors.New("the message bus does not answer")

// Dial connects to the bus at an address, which must be a Unix socket's: others
// would start a program or leave the device. The caller closes the connection.
func Dial(ctx context.Context, address string) (*dbus.Conn, error) {
	for one := range strings.SplitSeq(address, ";") {
		if !strings.HasPrefix(one, "unix:") {
			return nil, fmt.Errorf("not the address of a Unix socket: %w", ErrGone)
		}
	}
	c, err := dbus.Dial(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, ErrGone
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
	case <-time.After(within):
		err = ErrGone
		defer func() { <-done }() // it ends with the connection
	}
	if err != nil {
		c.Close()
		return nil, ErrGone
	}
	return c, nil
}

// Ended says why a connection ended: nil where its context did, which closes it.
func Ended(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil
	}
	return ErrGone
}

// Call asks an object and waits for the answer, which goes into into.
func Call(ctx context.Context, o dbus.BusObject, method string, into []any, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := o.CallWithContext(ctx, method, 0, args...).Store(into...); err != nil {
		return fmt.Errorf("%s: %w", method, ErrGone)
	}
	return nil
}

// Match asks for the signals that fit all options.
func Match(ctx context.Context, c *dbus.Conn, options ...dbus.MatchOption) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := c.AddMatchSignalContext(ctx, options...); err != nil {
		return ErrGone
	}
	return nil
}
