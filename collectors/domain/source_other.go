//go:build !linux && !windows

package domain

import (
	"fmt"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var rungs []eventv1.Rung

func open(eventv1.Rung, collectors.Env) (runner, error) {
	return nil, fmt.Errorf("no source yet on this system: %w", collectors.ErrUnsupported)
}
