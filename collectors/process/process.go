// Package process reports the programs that run: when they start, when they
// stop, whose they are, and how they ended.
//
// It never reads a command line, an environment or a working directory. What a
// program does on the network is the work of package connection.
package process

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
	Name:    "process",
	Doc:     "programs that start and stop, whose they are, and how they end",
	Classes: []privacyv1.Class{privacyv1.Class_PROCESSES},
	Rungs:   rungs,
	New:     New,
}

// maxProcesses bounds the table of living processes. Beyond it starts are
// counted as lost.
const maxProcesses = 1 << 16

// Collector reports processes from the best source that the system grants.
type Collector struct {
	env collectors.Env
}

// New returns the collector. It opens nothing.
func New(env collectors.Env) (collectors.Collector, error) { return &Collector{env}, nil }

// A source is one way to learn of processes. It is open when it is made; run
// closes it.
type source interface {
	run(ctx context.Context, emit collectors.Emit) error
}

// Run reports what runs already, then what starts and stops, until ctx is done.
// It tries the rungs from the best down, or only the one that the settings
// force. Where the best is not to be had, the collector's note says why.
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
