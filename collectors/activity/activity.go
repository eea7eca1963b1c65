// Package activity reports for how long a person used the device.
//
// There is no source yet on any system: New says so, and the agent shows it.
package activity

import (
	"fmt"

	"github.com/discreet-agent/discreet/collectors"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// Spec declares the collector.
var Spec = collectors.Spec{
	Name:    "activity",
	Doc:     "for how long a person used the device; never what was typed",
	Classes: []privacyv1.Class{privacyv1.Class_USER_ACTIVITY},
	New:     New,
}

// New returns an error that wraps collectors.ErrUnsupported.
func New(collectors.Env) (collectors.Collector, error) {
	return nil, fmt.Errorf("no source yet on this system: %w", collectors.ErrUnsupported)
}
