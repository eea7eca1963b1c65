package software

import (
	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: receipts of packages, and the descriptions of applications.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

func newSource(env collectors.Env) (source, error) {
	return &receipts{root: "/", stats: env.Stats}, nil
}
