// Package domain reports the names that programs look up or call: those in DNS
// questions, and those that TLS and QUIC say in the clear when they connect.
//
// Nothing else of a packet is read. A name that is encrypted is reported as
// empty, never guessed. The messages come from whoever is at the other end, so
// they are decoded by a thread that may do nothing (decode.go).
package domain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
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
	// were handed out. It is called on a thread without capabilities. An error of
	// flush ends it.
	read(ctx context.Context, take func(*packet), tell func(program), flush func(until int64) error) error
	// lost returns how many packets the kernel could not hand out since the last call.
	lost() (uint64, error)
	// unixNano turns a time of its clock into one of the wall clock. It is safe for
	// concurrent use.
	unixNano(at int64) int64
	Close() error
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
		var src source
		if src, err = open(rung, c.env); err == nil {
			c.env.Stats.SetRung(rung)
			return c.watch(ctx, src, emit)
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

// watch runs the decoder beside, and reports what it finds here, where accounts
// may be looked up and events stored.
func (c *Collector) watch(ctx context.Context, src source, emit collectors.Emit) error {
	defer src.Close()
	defer c.env.Names.Forget()
	c.env.Names.Entered(time.Now().UnixNano())
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	batches := make(chan batch)
	var busy atomic.Bool // with a batch
	give := func(b batch) {
		if b.empty() { // wakes nobody
			if !busy.Load() {
				c.env.Names.Entered(b.until)
			}
			return
		}
		busy.Store(true)
		select {
		case batches <- b:
		case <-ctx.Done():
		}
	}
	ended := make(chan error, 1)
	go func() {
		defer close(batches)
		if c.env.Settled != nil {
			select {
			case <-c.env.Settled:
			case <-ctx.Done():
				ended <- nil
				return
			}
		}
		ended <- withoutCapabilities(func() error { return decode(ctx, src, give) })
	}()
	r := newReporter(c.env, src, emit)
	var failed error
	for b := range batches {
		if failed != nil {
			continue // the decoder is being stopped
		}
		if failed = r.batch(&b); failed != nil {
			stop()
		}
		busy.Store(false)
	}
	return errors.Join(failed, <-ended)
}

// decode reads the source until ctx is done, and gives what each read found.
func decode(ctx context.Context, src source, give func(batch)) error {
	d := newDecoder()
	var programs []program
	return src.read(ctx, d.take, func(p program) { programs = append(programs, p) }, func(until int64) error {
		d.sweep(until)
		b := d.flush()
		b.programs, programs = programs, nil
		b.until = src.unixNano(until)
		give(b)
		return nil
	})
}
