// Package software reports machine-wide packages that come, change and go.
//
// There is no source yet on any system: New says so, and the agent shows it.
package software

import (
	"fmt"

	"github.com/discreet-agent/discreet/collectors"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// Spec declares the collector.
var Spec = collectors.Spec{
	Name:    "software",
	Doc:     "machine-wide packages that come, change and go",
	Classes: []privacyv1.Class{privacyv1.Class_SOFTWARE},
	New:     New,
}

// New returns an error that wraps collectors.ErrUnsupported.
func New(collectors.Env) (collectors.Collector, error) {
	return nil, fmt.Errorf("no source yet on this system: %w", collectors.ErrUnsupported)
}
