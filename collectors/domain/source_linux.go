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

func open(rung eventv1.Rung, env collectors.Env) (source, error) {
	switch rung {
	case eventv1.Rung_RUNG_EBPF:
		return openSockets(env)
	case eventv1.Rung_RUNG_PACKET:
		return openPackets()
	}
	return nil, fmt.Errorf("domain source: %w", collectors.ErrUnsupported)
}

// withoutCapabilities runs do on a thread of its own that has no capability and
// can get none, also not by running a program. The thread ends with it: a
// goroutine that ends while it is locked to its thread takes the thread along.
//
// What remains: it is the same process and the same account. Go has no thread
// with memory of its own, so this holds off a confused decoder, not code that
// runs in its place.
func withoutCapabilities(do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if err := dropCapabilities(); err != nil {
			done <- err
			return
		}
		done <- do()
	}()
	return <-done
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
