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
