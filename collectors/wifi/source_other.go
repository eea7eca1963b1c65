//go:build !linux && !windows

package wifi

import (
	"context"
	"fmt"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var rungs []eventv1.Rung

func (c *Collector) run(context.Context, *links) error {
	return fmt.Errorf("no source yet on this system: %w", collectors.ErrUnsupported)
}
