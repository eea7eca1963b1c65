package main

import (
	"net"
	"os"
)

// notify tells the service manager how the agent is, where one asked for it: one
// datagram to the socket in NOTIFY_SOCKET, as sd_notify(3) has it. Where nobody
// asked, or where the manager is gone, nothing happens.
func notify(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = c.Write([]byte(state))
}

// The states of sd_notify(3) that the agent tells.
const (
	stateReady    = "READY=1"
	stateAlive    = "WATCHDOG=1"
	stateStopping = "STOPPING=1"
)
