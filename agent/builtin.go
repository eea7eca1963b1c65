package agent

import (
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/activity"
	"github.com/discreet-agent/discreet/collectors/connection"
	"github.com/discreet-agent/discreet/collectors/device"
	"github.com/discreet-agent/discreet/collectors/domain"
	"github.com/discreet-agent/discreet/collectors/focus"
	"github.com/discreet-agent/discreet/collectors/logon"
	"github.com/discreet-agent/discreet/collectors/process"
	"github.com/discreet-agent/discreet/collectors/software"
	"github.com/discreet-agent/discreet/collectors/wifi"
)

// Builtin lists every collector in the order in which documents show them.
// Adding a collector means adding a folder and a line here.
func Builtin() []collectors.Spec {
	return []collectors.Spec{
		process.Spec,
		connection.Spec,
		device.Spec,
		logon.Spec,
		software.Spec,
		wifi.Spec,
		activity.Spec,
		focus.Spec,
		domain.Spec,
	}
}
