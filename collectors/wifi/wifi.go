// Package wifi reports the quality of the link to an access point, and which one it is.
//
// There is no source yet on any system: New says so, and the agent shows it.
package wifi

import (
	"fmt"

	"github.com/discreet-agent/discreet/collectors"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// Spec declares the collector.
var Spec = collectors.Spec{
	Name:    "wifi",
	Doc:     "how good the Wi-Fi link is, and where the policy lets it through, to which network",
	Classes: []privacyv1.Class{privacyv1.Class_WIFI_QUALITY, privacyv1.Class_WIFI_SSID, privacyv1.Class_WIFI_BSSID},
	New:     New,
}

// New returns an error that wraps collectors.ErrUnsupported.
func New(collectors.Env) (collectors.Collector, error) {
	return nil, fmt.Errorf("no source yet on this system: %w", collectors.ErrUnsupported)
}
