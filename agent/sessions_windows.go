//go:build !nobehaviour

package agent

import (
	"log/slog"

	"github.com/discreet-agent/discreet/agent/session"
	"github.com/discreet-agent/discreet/collectors"
)

// sessions starts helpers in people's sessions and hears them.
type sessions struct {
	*session.Server
	launcher *session.Launcher
}

// newSessions returns how helpers in people's sessions are heard. It starts nothing.
// Whose one is says the session that it was started in.
func newSessions(_ string, log *slog.Logger) collectors.Sessions {
	l := session.NewLauncher(log)
	return &sessions{session.NewServerOn(l.Listen, log, session.SessionOf), l}
}

// SessionsChanged says that somebody logged on or off. It does not wait.
func (a *Agent) SessionsChanged() {
	if s, ok := a.sessions.(*sessions); ok {
		s.launcher.Changed()
	}
}
