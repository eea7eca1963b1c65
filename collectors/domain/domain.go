// Package domain reports the names that programs look up or call: those in DNS
// questions, and those that TLS and QUIC say in the clear when they connect.
//
// Nothing else of a packet is read. A name that is encrypted is reported as
// empty, never guessed. The messages come from whoever is at the other end, so
// they are decoded on a thread that may do nothing.
package domain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// Spec declares the collector.
var Spec = collectors.Spec{
	Name:    "domain",
	Doc:     "names that programs look up or call",
	Classes: []privacyv1.Class{privacyv1.Class_DOMAINS},
	Rungs:   rungs,
	New:     New,
}

// Collector reports names from the best source that the system grants.
type Collector struct {
	env collectors.Env
}

// New returns the collector. It opens nothing.
func New(env collectors.Env) (collectors.Collector, error) {
	if len(rungs) == 0 {
		return nil, fmt.Errorf("no source yet on this system: %w", collectors.ErrUnsupported)
	}
	return &Collector{env}, nil
}

// A source is one way to see packets. It is open when it is made.
type source interface {
	// read hands out packets and programs until ctx is done, and calls flush when
	// there are no more for now, with a time of the packets' clock before which all
	// were handed out. An error of flush ends it. Where the system has capabilities,
	// take and tell are called on a thread without any; flush is not.
	read(ctx context.Context, take func(*packet), tell func(program), flush func(until int64) error) error
	// lost returns how many packets the kernel could not hand out since the last call.
	lost() (uint64, error)
	// unixNano turns a time of its clock into one of the wall clock.
	unixNano(at int64) int64
	Close() error
}

// A runner is an open source that reports by itself until ctx is done.
type runner interface {
	run(ctx context.Context, emit collectors.Emit) error
}

// watched is a source of packets.
type watched struct {
	c   *Collector
	src source
}

func (w watched) run(ctx context.Context, emit collectors.Emit) error {
	return w.c.watch(ctx, w.src, emit)
}

// watching returns a source of packets as what runs.
func watching(env collectors.Env, src source, err error) (runner, error) {
	if err != nil {
		return nil, err
	}
	return watched{&Collector{env}, src}, nil
}

// Run reports names until ctx is done. It tries the rungs from the best down, or
// only the one that the settings force. Where the best is not to be had, the
// collector's note says why.
func (c *Collector) Run(ctx context.Context, emit collectors.Emit) error {
	_, err := open(eventv1.Rung_RUNG_UNSPECIFIED, c.env) // the reason where there is no rung
	c.env.Stats.SetNote("")
	for _, rung := range rungs {
		if c.env.Rung != eventv1.Rung_RUNG_UNSPECIFIED && c.env.Rung != rung {
			continue
		}
		var src runner
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

// watch reports what the decoder finds. The thread that decodes gives up more than
// the others do, and not before them.
func (c *Collector) watch(ctx context.Context, src source, emit collectors.Emit) error {
	defer src.Close()
	defer c.env.Names.Forget()
	if c.env.Settled != nil {
		select {
		case <-c.env.Settled:
		case <-ctx.Done():
			return nil
		}
	}
	c.env.Names.Entered(time.Now().UnixNano())
	d, r := newDecoder(), newReporter(c.env, src, emit)
	var programs []program
	tell := func(p program) { programs = append(programs, p) }
	return src.read(ctx, d.take, tell, func(until int64) error {
		d.sweep(until)
		b := d.flush()
		b.programs, programs = programs, nil
		if !b.empty() {
			if err := r.batch(&b); err != nil {
				return err
			}
		}
		c.env.Names.Entered(src.unixNano(until))
		return nil
	})
}
