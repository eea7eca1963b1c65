package main

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestNotify: the datagram arrives whole, at a path and at an abstract name, and
// nobody listening is no fault.
func TestNotify(t *testing.T) {
	for name, address := range map[string]string{"path": filepath.Join(t.TempDir(), "s"), "abstract": "@discreet-notify-" + filepath.Base(t.TempDir())} {
		t.Run(name, func(t *testing.T) {
			c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			t.Setenv("NOTIFY_SOCKET", address)
			notify(stateReady)
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			b := make([]byte, 64)
			n, err := c.Read(b)
			if got := string(b[:n]); err != nil || got != "READY=1" {
				t.Errorf("notify(%q) sent %q, %v", stateReady, got, err)
			}
		})
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	notify(stateReady)
	t.Setenv("NOTIFY_SOCKET", "")
	notify(stateReady)
}
