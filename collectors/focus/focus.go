// Package focus reports for how long a program was in front.
//
// The helper in the person's session tells it; the title of a window is never
// read.
package focus

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
	Name:    "focus",
	Doc:     "for how long each program was in front; never the title of a window",
	Classes: []privacyv1.Class{privacyv1.Class_FOCUS_TIME},
	Rungs:   rungs,
	New:     New,
}

// Collector reports focus.
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

// carried is whose part of a second is kept for the next report.
type carried struct {
	uid, pid uint32
	app      string
}

// maxCarried bounds the table of them.
const maxCarried = 1024

// Run reports each span of focus until ctx is done. Whose it is, the kernel says;
// which program, the process that the helper names, if it is that person's, and
// else the display's word for it.
func (c *Collector) Run(ctx context.Context, emit collectors.Emit) error {
	c.env.Stats.SetRung(eventv1.Rung_RUNG_NATIVE)
	who := newPeople(c.env)
	carry := map[carried]time.Duration{} // less than a second each
	return c.env.Sessions.Focus(ctx, c.env, func(f collectors.Focused) {
		if len(carry) >= maxCarried {
			clear(carry)
		}
		k := carried{f.UID, f.PID, f.App}
		span := carry[k] + f.Span
		seconds := span / time.Second
		if carry[k] = span - seconds*time.Second; seconds == 0 {
			return
		}
		emit(&eventv1.Event{
			TimeUnixMs: collectors.At(time.Now().Add(-f.Span)),
			Kind: &eventv1.Event_Focus{Focus: &eventv1.Focus{
				Program: who.program(f), User: who.user(f.UID), Seconds: uint64(seconds),
			}},
		})
	})
}
