//go:build unix

package view

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const socketName = "agent.sock"

func listen(dir string) (net.Listener, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make run folder: %w", err)
	}
	name := filepath.Join(dir, socketName)
	if c, err := net.DialTimeout("unix", name, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("another agent answers at %s", name)
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove stale socket: %w", err)
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, fmt.Errorf("open socket: %w", err)
	}
	// Anybody on the device may ask: what is personal depends on who does.
	if err := os.Chmod(name, 0o666); err != nil {
		l.Close()
		return nil, fmt.Errorf("open socket to people: %w", err)
	}
	return l, nil
}

// reach opens a connection to the agent whose socket lies in dir.
func reach(dir string) (net.Conn, error) {
	return net.DialTimeout("unix", filepath.Join(dir, socketName), callTimeout)
}

// hungUp reports whether the other end closed before it read everything.
func hungUp(err error) bool { return errors.Is(err, syscall.EPIPE) }
