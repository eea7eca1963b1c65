package session

import (
	"net"
	"os"
	"path/filepath"
)

// listenIn and dialIn play both ends of the way of helpers to a service: a port of
// loopback, whose number stands where the socket is elsewhere. The real way here is a
// pair of pipes; see helper_windows_test.go.
func listenIn(dir string) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, SocketName)
	return noted{l, name}, os.WriteFile(name, []byte(l.Addr().String()), 0o600)
}

type noted struct {
	net.Listener
	name string
}

func (n noted) Close() error {
	_ = os.Remove(n.name)
	return n.Listener.Close()
}

func dialIn(dir string) (net.Conn, error) {
	address, err := os.ReadFile(filepath.Join(dir, SocketName))
	if err != nil {
		return nil, err
	}
	return net.Dial("tcp", string(address))
}
