// Package ingest is the gateway's end of the stream. It takes the device's name
// from its certificate, looks a second time at every event, stores what passes,
// and acknowledges it when it is durable.
//
// It never changes an event: what breaks its policy is refused. Who may connect
// is decided by gateway/access, what is kept by the store. The address of a peer
// is not read, not stored and not logged; a log line names a device by its id.
//
// What an agent says of a pushed policy is kept as the newest state of its device,
// an Identity for as long as the store holds its person. Neither is answered.
package ingest

import (
	"context"
	"crypto/x509"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// An Authorizer tells which device a certificate names, and whether it may talk
// to us now. cert is nil where the peer showed none. An error that has a
// GRPCStatus method is a refusal and goes to the agent as it is; any other is a
// fault of ours, and the agent hears only that.
type Authorizer interface {
	Authorize(ctx context.Context, cert *x509.Certificate) (gateway.Device, error)
}

// Refusal is such an error, for authorizers that have none of their own.
type Refusal struct{ Reason string }

// Error is the reason.
func (r *Refusal) Error() string { return r.Reason }

// GRPCStatus makes the refusal readable for the agent.
func (r *Refusal) GRPCStatus() *status.Status { return status.New(codes.Unauthenticated, r.Reason) }

// The words with which a stream is refused or ended. Agents know them; they
// never hold a value.
const (
	ReasonTooManyStreams  = "too many streams"
	ReasonMalformed       = "malformed message"
	ReasonPolicyUnread    = "policy unreadable"
	ReasonProtocolVersion = "protocol version"
	ReasonNoHello         = "no hello in time"
	reasonFault           = "gateway fault"
)

// Limits bound what agents may send. Zero fields mean the defaults that stand
// beside them.
type Limits struct {
	BatchEvents      int // 512
	BatchBytes       int // 256 KiB, of the payload as sent
	DecodedBytes     int // 1 MiB, of the payload after decompression
	WindowBatches    int // 8
	StreamsPerDevice int // 2: one, and one half-open
	Streams          int // 20,000 in all
	BatchesInHand    int // 64: decoded or being stored, over all streams
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.BatchEvents, 512}, {&l.BatchBytes, 256 << 10}, {&l.DecodedBytes, 1 << 20}, {&l.WindowBatches, 8},
		{&l.StreamsPerDevice, 2}, {&l.Streams, 20_000}, {&l.BatchesInHand, 64},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return l
}

// Options are what a Server needs beside the store. Zero durations mean the
// defaults that stand beside them.
type Options struct {
	Limits Limits
	Log    *slog.Logger
	Now    func() time.Time

	// Check is the second look: an error refuses the event. It must not keep the
	// event, and its text is not used. nil refuses only what the schema does not
	// know.
	Check func(privacy.Policy, *eventv1.Event) error
	// Field names the field of the schema that an error of Check is about; nil:
	// none is named.
	Field func(error) string
	// Identities keeps sealed names; nil: they are counted and dropped.
	Identities gateway.IdentityStore
	// States keeps the newest account of each device; nil: none is kept.
	States gateway.StateStore

	HelloWithin  time.Duration // 10 s
	StoreWithin  time.Duration // 30 s: how long the store may take for a batch
	RetryAfter   time.Duration // 5 s: what an agent is asked to wait when it fails
	RecheckBusy  time.Duration // 10 s: how old a permission may be when a message comes
	RecheckIdle  time.Duration // 60 s: the same for a stream on which nothing comes
	TouchEvery   time.Duration // 60 s: how often a contact is noted
	ConnAge      time.Duration // 1 h: then the agent connects anew
	ConnAgeGrace time.Duration // 30 s
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.HelloWithin, 10 * time.Second}, {&o.StoreWithin, 30 * time.Second}, {&o.RetryAfter, 5 * time.Second},
		{&o.RecheckBusy, 10 * time.Second}, {&o.RecheckIdle, time.Minute}, {&o.TouchEvery, time.Minute},
		{&o.ConnAge, time.Hour}, {&o.ConnAgeGrace, 30 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	o.Limits = o.Limits.withDefaults()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Check == nil {
		o.Check = known
	}
	if o.Field == nil {
		o.Field = func(error) string { return "" }
	}
	return o
}

// Server answers the streams of agents. It implements uplinkv1.UplinkServer.
type Server struct {
	uplinkv1.UnimplementedUplinkServer
	store gateway.Store
	reg   gateway.Registry
	auth  Authorizer
	o     Options
	slots chan struct{} // as many as batches may be in hand at once
	count counters

	readers sync.WaitGroup

	mu        sync.Mutex
	streams   map[gateway.Device]int // guarded by mu
	open      int                    // guarded by mu
	push      pushed                 // guarded by mu
	storeDown bool                   // guarded by mu; logged once a change
	free      []*hands               // guarded by mu; the one used last is used next
}

// New returns a Server that waits for streams. Its store and registry may be
// one.
func New(store gateway.Store, reg gateway.Registry, auth Authorizer, o Options) *Server {
	o = o.withDefaults()
	return &Server{
		store: store, reg: reg, auth: auth, o: o,
		slots: make(chan struct{}, o.Limits.BatchesInHand), streams: map[gateway.Device]int{}, push: pushed{next: make(chan struct{})},
	}
}

// take waits until one more batch may be in hand. It reports false when ctx ends
// first.
func (s *Server) take(ctx context.Context) (*hands, bool) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		h := s.free[n-1]
		s.free = s.free[:n-1]
		return h, true
	}
	return &hands{limit: s.o.Limits.DecodedBytes}, true
}

// give returns hands when the batch is done with.
func (s *Server) give(h *hands) {
	clear(h.events)
	h.events = h.events[:0]
	s.mu.Lock()
	s.free = append(s.free, h)
	s.mu.Unlock()
	<-s.slots
}

// Wait returns when nothing of any stream runs any more. Call it after the gRPC
// server has stopped.
func (s *Server) Wait() { s.readers.Wait() }

// Stream serves one agent until it goes, or must go.
func (s *Server) Stream(stream uplinkv1.Uplink_StreamServer) error {
	cert := peerCertificate(stream.Context())
	dev, err := s.authorize(stream.Context(), cert, "")
	if err != nil {
		return err
	}
	if !s.enter(dev) {
		s.count.refuse(ReasonTooManyStreams)
		s.o.Log.Warn("stream refused", "device", string(dev), "reason", ReasonTooManyStreams)
		return status.Error(codes.ResourceExhausted, ReasonTooManyStreams)
	}
	defer s.leave(dev)
	st := newSession(s, stream, dev, cert)
	// The reader ends with the context of the stream, which ends when this method
	// returns. So Wait waits for it, and not this method.
	s.readers.Go(st.read)
	return st.serve()
}

// authorize asks who the peer is. The error is ready for the agent. known is
// who it was before, for the log; "" where nobody knows.
func (s *Server) authorize(ctx context.Context, cert *x509.Certificate, known gateway.Device) (gateway.Device, error) {
	dev, err := s.auth.Authorize(ctx, cert)
	if err == nil {
		return dev, nil
	}
	refusal, ok := err.(interface{ GRPCStatus() *status.Status })
	if !ok {
		s.count.refuse(reasonFault)
		s.o.Log.Error("cannot authorize a device", "device", string(known))
		return "", status.Error(codes.Unavailable, reasonFault)
	}
	st := refusal.GRPCStatus()
	s.count.refuse(st.Message())
	s.o.Log.Info("stream refused", "device", string(known), "reason", st.Message())
	return "", st.Err()
}

// peerCertificate returns the certificate that the peer showed, or nil.
func peerCertificate(ctx context.Context) *x509.Certificate {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return nil
	}
	return info.State.PeerCertificates[0]
}

// enter admits one more stream of dev, or none: a cloned disk, or a device in a
// loop, must not crowd out the others.
func (s *Server) enter(dev gateway.Device) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= s.o.Limits.Streams || s.streams[dev] >= s.o.Limits.StreamsPerDevice {
		return false
	}
	s.open++
	s.streams[dev]++
	s.count.streams.Add(1)
	return true
}

// Connected reports whether dev has a stream open.
func (s *Server) Connected(dev gateway.Device) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[dev] > 0
}

func (s *Server) leave(dev gateway.Device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.streams[dev]--; s.streams[dev] == 0 {
		delete(s.streams, dev)
	}
}

// Register adds the server to gs.
func (s *Server) Register(gs grpc.ServiceRegistrar) { uplinkv1.RegisterUplinkServer(gs, s) }
