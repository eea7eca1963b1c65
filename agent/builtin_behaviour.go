//go:build !nobehaviour

package agent

import (
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/activity"
	"github.com/discreet-agent/discreet/collectors/focus"
	"github.com/discreet-agent/discreet/collectors/logon"
)

// watchers lists the collectors that watch what a person does. A build with
// the tag nobehaviour does not link them.
func watchers() []collectors.Spec {
	return []collectors.Spec{logon.Spec, activity.Spec, focus.Spec}
}
