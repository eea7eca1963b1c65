package domain

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: socket programs in the kernel that see DNS, TLS and QUIC hellos, else a
// packet socket.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_EBPF, eventv1.Rung_RUNG_PACKET}

func open(rung eventv1.Rung, env collectors.Env) (runner, error) {
	switch rung {
	case eventv1.Rung_RUNG_EBPF:
		src, err := openSockets(env)
		return watching(env, src, err)
	case eventv1.Rung_RUNG_PACKET:
		src, err := openPackets()
		return watching(env, src, err)
	}
	return nil, fmt.Errorf("domain source: %w", collectors.ErrUnsupported)
}

// confined is a thread that has no capability and can get none, also not by
// running a program. It runs what is asked of it, one thing after another.
//
// What remains: it is the same process and the same account. Go has no thread
// with memory of its own, so this holds off a confused decoder, not code that
// runs in its place.
type confined struct {
	work chan func()
	done chan error
}

func confine() (*confined, error) {
	c := &confined{make(chan func()), make(chan error)}
	go c.run()
	return c, <-c.done
}

// run is what the thread does. A goroutine that ends while it is locked to its thread
// takes the thread along, but not the first one of the process: that one would stay,
// without rights. So while it is held here, another is taken.
func (c *confined) run() {
	runtime.LockOSThread() // and never unlocked, but for the first
	if unix.Gettid() == unix.Getpid() {
		defer runtime.UnlockOSThread()
		elsewhere := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(elsewhere)
			c.serve()
		}()
		<-elsewhere
		return
	}
	c.serve()
}

// serve gives up what the thread may do, and runs what is asked of it.
func (c *confined) serve() {
	err := dropCapabilities()
	c.done <- err
	if err != nil {
		return
	}
	for do := range c.work {
		do()
		c.done <- nil
	}
	close(c.done)
}

// do returns when f has run there.
func (c *confined) do(f func()) {
	c.work <- f
	<-c.done
}

// end ends the thread.
func (c *confined) end() {
	close(c.work)
	<-c.done
}

// dropCapabilities takes every capability from the calling thread.
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs for the decoder: %w", err)
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&head, &none[0]); err != nil {
		return fmt.Errorf("drop the decoder's capabilities: %w", err)
	}
	return nil
}
