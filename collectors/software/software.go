// Package software reports machine-wide packages that come, change and go.
//
// It reads the databases of the package managers itself and runs no program. What
// a person installs in her home is not looked at: those files are never opened.
package software

import (
	"context"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// Spec declares the collector.
var Spec = collectors.Spec{
	Name:    "software",
	Doc:     "machine-wide packages that come, change and go",
	Classes: []privacyv1.Class{privacyv1.Class_SOFTWARE},
	Rungs:   rungs,
	New:     New,
}

const (
	lookEvery = time.Hour
	// announceEvery: a gateway forgets after 30 days by default, and a list that
	// it has forgotten is of no use. So the whole of it is told again before.
	announceEvery = 28 * 24 * time.Hour
	// maxPackages bounds the list; a large distribution installs some 6,000.
	maxPackages = 50_000
	// maxText bounds each word of a package, in bytes. Longer ones are cut.
	maxText = 200
)

// Collector reports the packages.
type Collector struct {
	env    collectors.Env
	source source
	now    func() time.Time
}

// source looks at the package databases of one system.
type source interface {
	// changed reports whether the databases look different from the last look,
	// without reading them.
	changed() bool
	// look returns every package, sorted.
	look() ([]pkg, error)
}

// New returns the collector. It reads nothing.
func New(env collectors.Env) (collectors.Collector, error) {
	s, err := newSource(env)
	if err != nil {
		return nil, err
	}
	return &Collector{env, s, time.Now}, nil
}

// Run reports every package at the first start, later what changed, until ctx is
// done. What was told is remembered over restarts where the agent has a memory.
//
// It is written down at the next look or at the stop, not at once: what a crash
// takes from the agent before it is on disk is then told again.
func (c *Collector) Run(ctx context.Context, emit collectors.Emit) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	told := c.recall()
	kept := told
	defer func() { c.keep(kept, told) }()
	c.env.Stats.SetRung(eventv1.Rung_RUNG_NATIVE)
	for {
		c.keep(kept, told)
		kept = told
		if c.source.changed() || c.stale(told) {
			list, err := c.source.look()
			if err != nil {
				return err
			}
			told = c.tell(told, list, emit)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// stale reports whether the whole list is to be told again.
func (c *Collector) stale(t *memory) bool {
	age := c.now().Sub(t.announced)
	return age >= announceEvery || age < 0
}

// tell emits what list has that told has not, and the other way round. It returns
// what the gateway was told by then.
func (c *Collector) tell(told *memory, list []pkg, emit collectors.Emit) *memory {
	if len(list) > maxPackages {
		c.env.Stats.AddLost(uint64(len(list) - maxPackages))
		list = list[:maxPackages]
	}
	all := c.stale(told)
	next := &memory{announced: told.announced, packages: list}
	if all {
		next.announced = c.now()
	}
	at := collectors.At(c.now())
	send := func(p pkg, change eventv1.SoftwareChange) {
		emit(&eventv1.Event{TimeUnixMs: at, Kind: &eventv1.Event_Software{Software: &eventv1.Software{
			Name: p.name, Version: p.version, Vendor: p.vendor,
			InstallDay: p.day, Source: p.source, Change: change,
		}}})
	}
	changes := diff(told.packages, list)
	for _, ch := range changes {
		if !all || ch.change == eventv1.SoftwareChange_SOFTWARE_CHANGE_REMOVED {
			send(ch.pkg, ch.change)
		}
	}
	if all {
		for _, p := range list {
			send(p, eventv1.SoftwareChange_SOFTWARE_CHANGE_PRESENT)
		}
	}
	if !all && len(changes) == 0 {
		return told
	}
	return next
}
