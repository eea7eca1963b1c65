//go:build !linux && !windows

package software

import (
	"fmt"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var rungs []eventv1.Rung

func newSource(collectors.Env) (source, error) {
	return nil, fmt.Errorf("no source yet on this system: %w", collectors.ErrUnsupported)
}
