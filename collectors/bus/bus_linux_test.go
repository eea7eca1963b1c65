package bus

import (
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestBusThatHangs: one that takes a connection and says nothing is left, soon.
func TestBusThatHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		_, err := Dial(t.Context(), "unix:path="+path)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, ErrGone) {
			t.Errorf("Dial() = %v; want %v", err, ErrGone)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Dial() still waits after 30 s")
	}
}

// TestOnlyUnixSockets: an address from an environment starts no program and opens
// no port.
func TestOnlyUnixSockets(t *testing.T) {
	for _, address := range []string{"unixexec:path=/bin/true", "autolaunch:", "tcp:host=192.0.2.1,port=1", "unix:path=/x;unixexec:path=/bin/true", ""} {
		if _, err := Dial(t.Context(), address); !errors.Is(err, ErrGone) {
			t.Errorf("Dial(%q) = %v; want %v", address, err, ErrGone)
		}
	}
}
