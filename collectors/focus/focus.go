// Package focus reports for how long a program was in front.
//
// There is no source yet on any system: New says so, and the agent shows it.
package focus

import (
	"fmt"

	"github.com/discreet-agent/discreet/collectors"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// Spec declares the collector.
var Spec = collectors.Spec{
	Name:    "focus",
	Doc:     "for how long each program was in front; never the title of a window",
	Classes: []privacyv1.Class{privacyv1.Class_FOCUS_TIME},
	New:     New,
}

// New returns an error that wraps collectors.ErrUnsupported.
func New(collectors.Env) (collectors.Collector, error) {
	return nil, fmt.Errorf("no source yet on this system: %w", collectors.ErrUnsupported)
}
