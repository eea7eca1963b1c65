//go:build !nobehaviour

package main

import (
	"net"
	"os"

	"github.com/discreet-agent/discreet/agent/session"
)

// startedBy returns the way to the service: it started this program with two pipes.
func startedBy() net.Conn { return session.Stdio(os.Stdin, os.Stdout) }
