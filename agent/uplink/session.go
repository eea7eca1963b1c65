package uplink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/discreet-agent/discreet/agent/spool"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

const (
	protocolVersion = 1
	schemaVersion   = 1
	maxEpochs       = 1024
	welcomeWithin   = 30 * time.Second
)

var (
	errProtocol = errors.New("gateway broke the protocol")
	errNoAnswer = errors.New("no answer")
	errDrain    = errors.New("gateway drains")
	errSpool    = errors.New("spool")
)

// outcome is how a session ended.
type outcome struct {
	reason  Reason
	healthy bool          // the backoff may begin anew
	drain   time.Duration // the pause that the gateway asked for
}

// received is a message of the gateway, or the error that ended the stream.
type received struct {
	down *uplinkv1.Down
	err  error
}

// session dials once and works until the stream ends. When ctx ends before the
// Welcome it ends at once; after it, what is durable is sent for DrainFor.
func (c *Client) session(ctx context.Context) outcome {
	conf, err := c.o.tlsConfig()
	if err != nil {
		if errors.Is(err, errAddress) {
			return outcome{reason: ReasonAddress}
		}
		return outcome{reason: ReasonIdentity}
	}
	sctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer c.enter(cancel)()
	f := &faults{}
	conn, err := c.o.dial(conf, f, &c.sent)
	if err != nil {
		return outcome{reason: ReasonAddress}
	}
	defer conn.Close()
	var greeted sync.Once // whichever comes first: the Welcome, or the end of ctx
	defer context.AfterFunc(ctx, func() { greeted.Do(cancel) })()

	stream, err := uplinkv1.NewUplinkClient(conn).Stream(sctx)
	if err != nil {
		return outcome{reason: c.reason(ctx, err, false, f)}
	}
	p := newPump(c, stream)
	epochs := c.src.Epochs()
	if err := stream.Send(hello(c.o.AgentVersion, epochs)); err != nil && !errors.Is(err, io.EOF) {
		return outcome{reason: c.reason(ctx, err, false, f)}
	}
	var readers sync.WaitGroup
	readers.Go(func() { p.read(sctx) })
	defer readers.Wait()
	defer cancel() // before the wait
	welcome, err := p.welcome()
	if err == nil {
		err = p.greet(welcome, epochs)
	}
	if err != nil {
		return outcome{reason: c.reason(ctx, err, false, f)}
	}
	greeted.Do(func() {})
	c.connected()
	err = p.work(ctx, sctx, cancel, epochs)
	end := outcome{reason: c.reason(ctx, err, true, f), healthy: p.healthy(), drain: p.drainAfter}
	c.adapt(end)
	return end
}

// hello opens the stream. Should there be more epochs than it may name, the
// oldest ones are named: they are sent first.
func hello(version string, epochs []spool.Epoch) *uplinkv1.Up {
	h := &uplinkv1.Hello{
		Protocol: protocolVersion, AgentVersion: version, Schema: schemaVersion,
		Encodings: []uplinkv1.Encoding{uplinkv1.Encoding_ENCODING_ZSTD_RECORDS},
	}
	for i, e := range epochs {
		if len(epochs) > maxEpochs && i >= maxEpochs-1 && i < len(epochs)-1 {
			continue
		}
		h.Epochs = append(h.Epochs, e[:])
	}
	return &uplinkv1.Up{Message: &uplinkv1.Up_Hello{Hello: h}}
}

// read hands on what the gateway says until the stream ends.
func (p *pump) read(ctx context.Context) {
	defer close(p.downs)
	for {
		down, err := p.stream.Recv()
		select {
		case p.downs <- received{down, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// welcome waits for the first message.
func (p *pump) welcome() (*uplinkv1.Welcome, error) {
	timer := time.NewTimer(welcomeWithin + p.c.o.DialTimeout)
	defer timer.Stop()
	select {
	case r, ok := <-p.downs:
		if !ok {
			return nil, context.Canceled
		}
		if r.err != nil {
			return nil, r.err
		}
		if w := r.down.GetWelcome(); w != nil {
			return w, nil
		}
		return nil, fmt.Errorf("%w: no welcome", errProtocol)
	case <-timer.C:
		return nil, errNoAnswer
	}
}

// greet takes over what the gateway has already, and its limits. Records that
// it has are freed when the source gives them, and not sent. Of the epoch that
// is written now it is believed only as far as this client has sent: a gateway
// that acknowledges more cannot make the agent free what never left.
func (p *pump) greet(w *uplinkv1.Welcome, epochs []spool.Epoch) error {
	var now spool.Epoch
	if len(epochs) > 0 {
		now = epochs[len(epochs)-1]
	}
	if now != p.c.newest {
		p.c.newest, p.c.newestSent = now, 0
	}
	for _, a := range w.GetAcked() {
		e, ok := epochOf(a.GetEpoch())
		if !ok {
			return fmt.Errorf("%w: epoch", errProtocol)
		}
		through := a.GetThroughSeq()
		if e == now {
			through = min(through, p.c.newestSent)
		}
		if len(p.have) < maxEpochs {
			p.have[e] = through
		}
	}
	p.limits = bounded(w.GetLimits())
	p.c.src.Rewind()
	return nil
}

func epochOf(b []byte) (e spool.Epoch, ok bool) {
	return e, copy(e[:], b) == len(e) && len(b) == len(e)
}

// reason classifies the end of a session. An end that was asked for is none of
// the gateway's doing.
func (c *Client) reason(ctx context.Context, err error, welcomed bool, f *faults) Reason {
	switch {
	case ctx.Err() != nil:
		return ReasonStopped
	case errors.Is(err, errProtocol):
		return ReasonProtocol
	case errors.Is(err, errNoAnswer):
		return ReasonNoAnswer
	case errors.Is(err, errDrain):
		return ReasonDrain
	case errors.Is(err, errSpool) && errors.Is(err, context.Canceled): // by Reset
		return ReasonStopped
	case errors.Is(err, errSpool):
		c.o.Log.Error("spool does not serve the uplink", "err", err)
		return ReasonSpool
	}
	return streamReason(err, welcomed, f)
}

// adapt makes batches smaller where the transport refused one, which names no
// limit, and larger again after a session that got acknowledgements.
func (c *Client) adapt(end outcome) {
	switch {
	case end.reason == ReasonTransportLimit:
		c.maxEvents = max(1, c.maxEvents/2)
	case end.healthy:
		c.maxEvents = min(c.o.MaxBatchEvents, c.maxEvents*2)
	}
}
