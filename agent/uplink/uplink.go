// Package uplink is the stream that empties the spool. It takes runs of cleared
// records from a Source, sends them to the gateway over one mutual-TLS gRPC
// stream, and frees them when the gateway says that they are durable.
//
// What the records say is no matter of this package: it never decodes one. Keys
// and certificates are the work of agent/identity, the buffer that of
// agent/spool. Its log lines, errors and status name a class of fault, never a
// value of an event and no address but the gateway's own.
package uplink

import (
	"context"
	"crypto/tls"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/discreet-agent/discreet/agent/spool"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// A Source is what the uplink empties: the spool. Ack, Refuse and Losses may be
// called while Next waits; Rewind is called only when no Next is under way.
type Source interface {
	// Epochs returns the epochs that hold records, oldest first; the last one is
	// the one that is written now.
	Epochs() []spool.Epoch
	// Rewind makes Next begin again at the oldest record that is not freed.
	Rewind()
	// Next waits for records and returns a run of them, oldest first, or one gap.
	// At least one record is returned, however large. The item's bytes are good
	// until the next call of Next or Rewind. When ctx ends first, it returns the
	// error of ctx.
	Next(ctx context.Context, maxRecords, maxBytes int) (spool.Item, error)
	// Ack frees every record of e up to and including number through.
	Ack(e spool.Epoch, through uint64) error
	// Refuse frees the records first to last of e, which the gateway will never
	// take, and accounts for them by a gap. All before first are freed. Both are
	// called only for what Next has given.
	Refuse(e spool.Epoch, first, last uint64, reason eventv1.LossReason) error
	// Losses returns what was lost so far, in a fixed order. A batch says it when
	// it changed.
	Losses() []*eventv1.Loss
}

// Options says where the gateway is and how to reach it. Zero durations mean
// the defaults that stand beside them.
type Options struct {
	Address              string // host:port of the gateway
	ServerName           string // in its certificate; "": the host of Address
	Proxy                string // "", or http://host:port
	ProxyCredentialsFile string // holds user:password; others must not be able to read it

	// TLS is asked before each dial, because the certificate may have been
	// renewed. An error means that there is no usable identity.
	TLS          func() (*tls.Config, error)
	AgentVersion string
	Log          *slog.Logger

	// Health, if set, says how much waits in the spool. It is sent beside other
	// messages, at most every five minutes, and never wakes an idle client.
	Health func() (events, bytes uint64)
	// Identities, if set, returns the sealed names of mode sealed. They go before
	// the next batch: all of them on each stream, then what was added. The list
	// may only grow. It must not block.
	Identities func() []*uplinkv1.Identity
	// OnDirective is told of each directive, after the client has followed what
	// concerns the pace. It must not block.
	OnDirective func(uplinkv1.DirectiveCode)
	// OnPolicyBundle is handed each pushed policy as it came: nothing in it has
	// been checked. It must not block.
	OnPolicyBundle func(envelope []byte)

	MaxBatchEvents int           // 512; the gateway's limit applies too
	Linger         time.Duration // 1 s: how long a short batch waits for more; less than 0: it does not
	DrainFor       time.Duration // 5 s: how long Run goes on sending when ctx has ended
	BackoffBase    time.Duration // 1 s
	BackoffCap     time.Duration // 15 min
	// FirstJitter (30 s) spreads the reconnects after a healthy period. Negative:
	// none.
	FirstJitter  time.Duration
	DialTimeout  time.Duration // 20 s, for the connection, the proxy and TLS together
	AnswerWithin time.Duration // 2 min: a batch without an answer ends the stream
	HealthyAfter time.Duration // 60 s with nothing to send count as success

	// Rand returns a number from 0 to n-1; nil: math/rand/v2.
	Rand func(n int64) int64
	// Dialer replaces the network in tests.
	Dialer func(ctx context.Context, addr string) (net.Conn, error)
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.Linger, time.Second)
	set(&o.DrainFor, 5*time.Second)
	set(&o.BackoffBase, time.Second)
	set(&o.BackoffCap, 15*time.Minute)
	set(&o.FirstJitter, 30*time.Second)
	set(&o.DialTimeout, 20*time.Second)
	set(&o.AnswerWithin, 2*time.Minute)
	set(&o.HealthyAfter, time.Minute)
	if o.MaxBatchEvents <= 0 {
		o.MaxBatchEvents = 512
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Rand == nil {
		o.Rand = rand.Int64N
	}
	if o.Dialer == nil {
		d := &net.Dialer{Timeout: o.DialTimeout, KeepAlive: -1} // HTTP/2 pings do that work
		o.Dialer = func(ctx context.Context, addr string) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", addr)
		}
	}
	return o
}

// Client empties one Source into one gateway.
type Client struct {
	src  Source
	o    Options
	kick chan struct{}

	backoff backoff // used by Run alone
	// maxEvents shrinks when the transport itself refuses a batch, and is used by
	// Run and by the feeder of the one session that it waits for.
	maxEvents int
	// How far the epoch that is written now was sent by this client, on any stream.
	newest     spool.Epoch
	newestSent uint64

	sent   atomic.Uint64 // bytes on the wire
	mu     sync.Mutex
	status Status                 // guarded by mu
	report *uplinkv1.ConfigStatus // guarded by mu; the newest that is not sent
	under  *underway              // guarded by mu; the session; nil: none
}

// New returns a Client that has not started.
func New(src Source, o Options) *Client {
	o = o.withDefaults()
	return &Client{
		src: src, o: o, kick: make(chan struct{}, 1),
		backoff:   backoff{base: o.BackoffBase, cap: o.BackoffCap, first: o.FirstJitter, rand: o.Rand},
		maxEvents: o.MaxBatchEvents,
		status:    Status{Reason: ReasonStarting},
	}
}

// Run connects, and connects again for ever, until ctx ends; then it sends what
// is durable for at most Options.DrainFor and returns nil.
func (c *Client) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		select { // a kick from before this attempt is answered by it
		case <-c.kick:
		default:
		}
		start := time.Now()
		end := c.session(ctx)
		c.ended(end)
		if ctx.Err() != nil {
			return nil
		}
		if !c.wait(ctx, start, c.backoff.next(end.healthy, end.drain)) {
			return nil
		}
	}
	return nil
}

// wait pauses before the next attempt and reports false when ctx ended. A kick
// ends the pause, but never makes two attempts in less than the base of the
// backoff.
func (c *Client) wait(ctx context.Context, start time.Time, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	case <-c.kick:
	}
	timer.Reset(max(0, min(c.o.BackoffBase-time.Since(start), pause)))
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Aim says where the gateway is, in the place of what New was told. Only before Run.
func (c *Client) Aim(address, serverName, proxy, proxyCredentialsFile string) {
	c.o.Address, c.o.ServerName, c.o.Proxy, c.o.ProxyCredentialsFile = address, serverName, proxy, proxyCredentialsFile
}

// Kick asks a waiting client to try now: the network came back, or the
// certificate was renewed. A connected client takes no notice.
func (c *Client) Kick() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// ReportConfig notes what became of the settings. The newest report is sent
// once, when there is a stream and beside what is sent anyway.
func (c *Client) ReportConfig(r *uplinkv1.ConfigStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report = r
}
