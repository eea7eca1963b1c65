package uplink

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/discreet-agent/discreet/agent/spool"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

const (
	maxWindow   = 64
	maxInFlight = 1 << 20 // bytes of payloads that are not freed
	maxPolicies = 256     // announced on one stream, before they are announced again
	slowPace    = 30 * time.Second
	healthEvery = 5 * time.Minute
	maxPause    = 15 * time.Minute // of RetryAfter
	maxDrain    = time.Hour
)

// limits are the gateway's, within bounds of our own: a gateway cannot make
// batches so small that records have to be thrown away.
type limits struct{ events, bytes, decoded, window int }

func bounded(l *uplinkv1.Limits) limits {
	within := func(v uint32, usual, low, high int) int {
		if v == 0 {
			return usual
		}
		return max(low, int(min(v, uint32(high))))
	}
	return limits{
		events:  within(l.GetMaxBatchEvents(), 512, 1, 1<<16),
		bytes:   within(l.GetMaxBatchBytes(), 256<<10, 16<<10, 4<<20),
		decoded: within(l.GetMaxDecodedBytes(), 1<<20, 64<<10, 16<<20),
		window:  within(l.GetWindowBatches(), 8, 1, maxWindow),
	}
}

// pump moves flights over one stream. It is used by one goroutine.
type pump struct {
	c      *Client
	stream interface {
		Send(*uplinkv1.Up) error
		Recv() (*uplinkv1.Down, error)
		CloseSend() error
	}
	downs  chan received
	limits limits

	flights    flights
	orders     uint64
	have       map[spool.Epoch]uint64 // what the gateway has, by its Welcome
	sentHigh   map[spool.Epoch]uint64 // on this stream
	policies   map[[32]byte]bool      // announced on this stream
	pauseUntil time.Time
	slow       bool
	leaving    bool // the gateway drains: no new batches
	drainAfter time.Duration
	lastHealth time.Time
	identified int // how many identities this stream has sent
	logged     map[string]bool

	acked     bool
	idle      bool
	idleSince time.Time
}

func newPump(c *Client, stream uplinkv1.Uplink_StreamClient) *pump {
	return &pump{
		c: c, stream: stream, downs: make(chan received),
		have: map[spool.Epoch]uint64{}, sentHigh: map[spool.Epoch]uint64{}, policies: map[[32]byte]bool{}, logged: map[string]bool{},
	}
}

// healthy reports whether the stream did what it is for: something was
// acknowledged, or there was nothing to send for a while.
func (p *pump) healthy() bool {
	return p.acked || p.idle && time.Since(p.idleSince) >= p.c.o.HealthyAfter
}

// work feeds the stream until it ends or, after the end of ctx, until all is
// drained. sctx is the context of the stream, and cancel ends it.
func (p *pump) work(ctx, sctx context.Context, cancel func(), epochs []spool.Epoch) error {
	enc, err := newEncoder()
	if err != nil {
		return fmt.Errorf("%w: %w", errSpool, err)
	}
	defer enc.close()
	f := &feeder{
		src: p.c.src, enc: enc, linger: p.c.o.Linger, drain: ctx, out: make(chan *flight),
		max:      min(p.c.maxEvents, p.limits.events),
		maxBytes: min(maxRun, p.limits.decoded/2),
	}
	if len(epochs) > 0 {
		f.current = epochs[len(epochs)-1]
	}
	var patience *time.Timer
	var mu sync.Mutex // guards patience
	stop := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		patience = time.AfterFunc(p.c.o.DrainFor, cancel)
	})
	defer func() {
		stop()
		mu.Lock()
		defer mu.Unlock()
		if patience != nil {
			patience.Stop()
		}
	}()
	var feeding sync.WaitGroup
	feeding.Go(func() { f.run(sctx) })
	defer feeding.Wait()
	defer cancel() // before the wait
	p.idle, p.idleSince = true, time.Now()
	if err := p.side(); err != nil {
		return p.ending(err)
	}
	return p.loop(f)
}

// loop sends what is due and takes what comes, one at a time.
func (p *pump) loop(f *feeder) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	in := f.out
	for {
		p.settle()
		n, bytes, oldest := p.flights.inFlight()
		if p.leaving && n == 0 {
			return errDrain
		}
		if in == nil && len(p.flights) == 0 {
			p.stream.CloseSend()
			return errEmpty
		}
		paused := time.Until(p.pauseUntil) > 0
		due := p.flights.due()
		room := !paused && !p.leaving && n < p.limits.window && bytes < maxInFlight
		if due != nil && room {
			if err := p.send(due); err != nil {
				return p.ending(err)
			}
			continue
		}
		feed := in
		if !room || due != nil {
			feed = nil
		}
		var alarm <-chan time.Time
		if d, ok := p.alarm(oldest, paused); ok {
			timer.Reset(d)
			alarm = timer.C
		}
		select {
		case r, ok := <-p.downs:
			if err := p.hear(r, ok); err != nil {
				return err
			}
		case fl, ok := <-feed:
			if !ok && !errors.Is(f.err, errEmpty) {
				return fmt.Errorf("%w: %w", errSpool, f.err)
			}
			if !ok {
				in = nil
				continue
			}
			if err := p.admit(fl); err != nil {
				return err
			}
		case <-alarm:
			if !oldest.IsZero() && time.Since(oldest) >= p.c.o.AnswerWithin {
				return errNoAnswer
			}
		}
	}
}

// hear takes what the stream gave, which may be its end.
func (p *pump) hear(r received, ok bool) error {
	switch {
	case !ok:
		return context.Canceled
	case r.err != nil:
		return r.err
	}
	return p.take(r.down)
}

// alarm returns when the loop must look again by itself: an idle stream never.
func (p *pump) alarm(oldest time.Time, paused bool) (time.Duration, bool) {
	d, ok := time.Duration(math.MaxInt64), false
	if paused {
		d, ok = time.Until(p.pauseUntil), true
	}
	if !oldest.IsZero() {
		d, ok = min(d, p.c.o.AnswerWithin-time.Since(oldest)), true
	}
	return max(d, 0), ok
}

// ending returns why a send failed: gRPC tells that to the receiver. What the
// gateway acknowledged before is still taken.
func (p *pump) ending(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	for r := range p.downs {
		if r.err != nil {
			p.settle()
			return r.err
		}
		if err := p.take(r.down); err != nil {
			return err
		}
	}
	return err
}

// admit takes a new flight. One that the gateway has is not sent. One that is over the limits is split here: the
// gateway need not say so.
func (p *pump) admit(f *flight) error {
	p.idle = false
	if f.last() <= p.have[f.epoch] {
		f.state = acked
		p.flights = append(p.flights, f)
		return nil
	}
	if f.gap == nil && (len(f.payload) > p.limits.bytes || f.decoded > p.limits.decoded) {
		parts, err := halve(f, eventv1.LossReason_LOSS_REASON_TOO_LARGE)
		if err != nil {
			return fmt.Errorf("%w: %w", errSpool, err)
		}
		for _, part := range parts {
			if part.state == refused {
				p.flights = append(p.flights, part)
			} else if err := p.admit(part); err != nil {
				return err
			}
		}
		return nil
	}
	p.flights = append(p.flights, f)
	return nil
}

// send sends a flight, and its policy before it where the stream has not seen
// that yet.
func (p *pump) send(f *flight) error {
	if err := p.identify(); err != nil {
		return err
	}
	if f.gap == nil && !p.policies[f.stamp.Digest] {
		if len(p.policies) >= maxPolicies {
			clear(p.policies)
		}
		p.policies[f.stamp.Digest] = true
		policy := &uplinkv1.Policy{Digest: f.stamp.Digest[:], Levels: f.stamp.Levels}
		if err := p.stream.Send(&uplinkv1.Up{Message: &uplinkv1.Up_Policy{Policy: policy}}); err != nil {
			return err
		}
	}
	p.orders++
	f.state, f.order, f.sentAt = sent, p.orders, time.Now()
	p.sentHigh[f.epoch] = max(p.sentHigh[f.epoch], f.last())
	if f.epoch == p.c.newest {
		p.c.newestSent = max(p.c.newestSent, f.last())
	}
	if err := p.stream.Send(f.up()); err != nil {
		return err
	}
	p.c.note(func(s *Status) { s.BatchesSent++ })
	if p.slow {
		p.pauseUntil = time.Now().Add(slowPace)
	}
	return p.side()
}

// identify sends the identities that this stream has not seen.
func (p *pump) identify() error {
	if p.c.o.Identities == nil {
		return nil
	}
	list := p.c.o.Identities()
	for ; p.identified < len(list); p.identified++ {
		if err := p.stream.Send(&uplinkv1.Up{Message: &uplinkv1.Up_Identity{Identity: list[p.identified]}}); err != nil {
			return err
		}
	}
	return nil
}

// side sends what goes beside the records, if there is any.
func (p *pump) side() error {
	p.c.mu.Lock()
	report := p.c.report
	p.c.report = nil
	p.c.mu.Unlock()
	if report != nil {
		if err := p.stream.Send(&uplinkv1.Up{Message: &uplinkv1.Up_ConfigStatus{ConfigStatus: report}}); err != nil {
			return err
		}
	}
	if p.c.o.Health == nil || !p.lastHealth.IsZero() && time.Since(p.lastHealth) < healthEvery {
		return nil
	}
	p.lastHealth = time.Now()
	events, bytes := p.c.o.Health()
	h := &uplinkv1.Health{SpoolEvents: events, SpoolBytes: bytes}
	return p.stream.Send(&uplinkv1.Up{Message: &uplinkv1.Up_Health{Health: h}})
}

// settle frees what is decided at the front of the flights, in order. What the
// source cannot free will come again and be skipped: that is no reason to end
// the stream.
func (p *pump) settle() {
	done := 0
	for ; done < len(p.flights); done++ {
		f := p.flights[done]
		var err error
		switch f.state {
		case refused:
			err = p.c.src.Refuse(f.epoch, f.first, f.last(), f.reason)
			p.c.note(func(s *Status) { s.EventsRefused += uint64(f.count) })
		case acked:
			p.tell(f)
			if !p.nextSettlesToo(done) {
				err = p.c.src.Ack(f.epoch, f.last())
			}
		default:
			p.drop(done)
			return
		}
		if err != nil && !p.logged["settle"] {
			p.logged["settle"] = true
			p.c.o.Log.Warn("spool did not free what the gateway has", "err", err)
		}
	}
	p.drop(done)
}

// tell logs at debug what the gateway has: numbers, no values. The tests with
// kills compare it with the store.
func (p *pump) tell(f *flight) {
	if !p.c.o.Log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	epoch := hex.EncodeToString(f.epoch[:])
	if f.gap != nil {
		p.c.o.Log.Debug("gap reported", "epoch", epoch, "seq", f.first)
	}
	p.c.o.Log.Debug("acknowledged", "epoch", epoch, "through", f.last())
}

// nextSettlesToo reports whether the flight after i covers i when it is freed.
func (p *pump) nextSettlesToo(i int) bool {
	if i+1 >= len(p.flights) {
		return false
	}
	next := p.flights[i+1]
	return next.state == acked && next.epoch == p.flights[i].epoch
}

// drop forgets the first n flights.
func (p *pump) drop(n int) {
	if n == 0 {
		return
	}
	p.flights = append(p.flights[:0:0], p.flights[n:]...)
	if len(p.flights) == 0 {
		p.idle, p.idleSince = true, time.Now()
	}
}
