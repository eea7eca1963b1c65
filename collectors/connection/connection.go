// Package connection reports the flows between this device and others: with
// whom, for which program, how they ended, and how well they went.
//
// It reads counters, never contents. The device's own addresses are not in its
// events. Names of the other end are the work of package domain.
package connection

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// Spec declares the collector.
var Spec = collectors.Spec{
	Name:    "connection",
	Doc:     "connections to other devices, for which program, and how well they went",
	Classes: []privacyv1.Class{privacyv1.Class_CONNECTIONS},
	Rungs:   rungs,
	New:     New,
}

// maxFlows bounds the table of open connections. Beyond it their owners are not
// known; how they end is still reported where the system tells it.
const maxFlows = 1 << 16

// Collector reports connections from the best source that the system grants.
type Collector struct {
	env collectors.Env
}

// New returns the collector. It opens nothing.
func New(env collectors.Env) (collectors.Collector, error) { return &Collector{env}, nil }

// A source is one way to learn of connections. It is open when it is made; run
// closes it.
type source interface {
	run(ctx context.Context, emit collectors.Emit) error
}

// Run reports connections until ctx is done. It tries the rungs from the best
// down, or only the one that the settings force. Where the best is not to be had,
// the collector's note says why.
func (c *Collector) Run(ctx context.Context, emit collectors.Emit) error {
	_, err := open(eventv1.Rung_RUNG_UNSPECIFIED, c.env) // the reason where there is no rung
	c.env.Stats.SetNote("")
	for _, rung := range rungs {
		if c.env.Rung != eventv1.Rung_RUNG_UNSPECIFIED && c.env.Rung != rung {
			continue
		}
		var src source
		if src, err = open(rung, c.env); err == nil {
			c.env.Stats.SetRung(rung)
			return src.run(ctx, emit)
		}
		c.env.Log.Info("source not usable", "collector", Spec.Name, "rung", rung.String(), "err", err)
		if c.env.Stats.Note() == "" {
			c.env.Stats.SetNote("a better source is not usable: " + err.Error())
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %w", collectors.ErrDenied, err)
	}
	if !errors.Is(err, collectors.ErrUnsupported) {
		return fmt.Errorf("%w: %w", collectors.ErrUnsupported, err)
	}
	return err
}
