//go:build nobehaviour

package agent

import (
	"log/slog"

	"github.com/discreet-agent/discreet/collectors"
)

// newSessions returns nil: nothing in this build asks what people do.
func newSessions(string, *slog.Logger) collectors.Sessions { return nil }

// SessionsChanged does nothing.
func (a *Agent) SessionsChanged() {}
