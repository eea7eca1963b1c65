package agent

import (
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/connection"
	"github.com/discreet-agent/discreet/collectors/device"
	"github.com/discreet-agent/discreet/collectors/domain"
	"github.com/discreet-agent/discreet/collectors/process"
	"github.com/discreet-agent/discreet/collectors/software"
	"github.com/discreet-agent/discreet/collectors/wifi"
)

// Builtin lists every collector of this build in the order in which documents
// show them. Adding a collector means adding a folder and a line here, or in
// builtin_behaviour.go if it watches what a person does.
func Builtin() []collectors.Spec {
	specs := []collectors.Spec{
		process.Spec,
		connection.Spec,
		device.Spec,
		software.Spec,
		wifi.Spec,
		domain.Spec,
	}
	return append(specs, watchers()...)
}
