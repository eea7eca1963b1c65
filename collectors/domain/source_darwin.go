package domain

import (
	"fmt"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: a capture device with a filter (bpf(4)) on each interface that leads
// anywhere, read once a second, without whose the packets are.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_PACKET}

func open(rung eventv1.Rung, env collectors.Env) (runner, error) {
	if rung != eventv1.Rung_RUNG_PACKET {
		return nil, fmt.Errorf("no better source: network extensions need an entitlement of Apple: %w", collectors.ErrUnsupported)
	}
	src, err := openCaptures()
	return watching(env, src, err)
}
