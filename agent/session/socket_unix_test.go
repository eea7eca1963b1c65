//go:build !windows

package session

import (
	"net"
	"path/filepath"
)

// listenIn and dialIn are both ends of the way of helpers to a service.
func listenIn(dir string) (net.Listener, error) { return listen(dir) }

func dialIn(dir string) (net.Conn, error) { return net.Dial("unix", filepath.Join(dir, SocketName)) }
