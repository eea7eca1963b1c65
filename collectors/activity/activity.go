// Package activity reports for how long a person used the device.
//
// The helper in the person's session tells it, from the time since the last input:
// what was typed or clicked is never read.
package activity

import (
	"context"
	"fmt"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// Spec declares the collector.
var Spec = collectors.Spec{
	Name:    "activity",
	Doc:     "for how long a person used the device; never what was typed",
	Classes: []privacyv1.Class{privacyv1.Class_USER_ACTIVITY},
	Rungs:   rungs,
	New:     New,
}

// Collector reports activity.
type Collector struct{ env collectors.Env }

// New returns the collector. Without sessions to hear from it returns an error that
// wraps collectors.ErrUnsupported.
func New(env collectors.Env) (collectors.Collector, error) {
	if len(rungs) == 0 {
		return nil, fmt.Errorf("no source yet on this system: %w", collectors.ErrUnsupported)
	}
	if env.Sessions == nil {
		return nil, fmt.Errorf("only the service hears from sessions: %w", collectors.ErrUnsupported)
	}
	return &Collector{env}, nil
}

// maxPeople bounds the table of parts of seconds.
const maxPeople = 256

// Run reports each span of activity until ctx is done.
func (c *Collector) Run(ctx context.Context, emit collectors.Emit) error {
	c.env.Stats.SetRung(eventv1.Rung_RUNG_NATIVE)
	name := newNames()
	carry := map[uint32]time.Duration{} // less than a second each
	return c.env.Sessions.Activity(ctx, c.env, func(a collectors.Active) {
		if len(carry) >= maxPeople {
			clear(carry)
		}
		span := carry[a.UID] + a.Span
		seconds := span / time.Second
		if carry[a.UID] = span - seconds*time.Second; seconds == 0 {
			return
		}
		emit(&eventv1.Event{
			TimeUnixMs: collectors.At(time.Now().Add(-a.Span)),
			Kind: &eventv1.Event_UserActivity{UserActivity: &eventv1.UserActivity{
				User: name(a.UID), ActiveSeconds: uint64(seconds),
			}},
		})
	})
}
