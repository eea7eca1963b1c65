//go:build !nobehaviour && !windows

package agent

import (
	"log/slog"
	"net"

	"github.com/discreet-agent/discreet/agent/session"
	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/collectors"
)

// newSessions returns how helpers in people's sessions are heard. It opens
// nothing.
func newSessions(dir string, log *slog.Logger) collectors.Sessions {
	return session.NewServer(dir, log, func(c net.Conn) (uint32, bool) {
		who := view.CallerOf(c)
		return who.UID, who.Known
	})
}

// SessionsChanged does nothing: helpers come by themselves.
func (a *Agent) SessionsChanged() {}
