//go:build !linux && !windows && !darwin

package example

import (
	"fmt"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var rungs []eventv1.Rung

func version() (string, error) {
	return "", fmt.Errorf("no source on this system: %w", collectors.ErrUnsupported)
}
