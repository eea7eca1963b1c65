package ingest

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/privacy"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

const (
	protocolVersion = 1
	maxEpochs       = 1024
	maxLevels       = 8 << 10 // bytes of a policy's lines
	maxPolicies     = 64      // remembered for a stream
	maxVersion      = 64      // characters of an agent's version
)

// received is a message of the agent, or the error that ended the stream.
type received struct {
	up  *uplinkv1.Up
	err error
}

// session is one stream. All but read runs in one goroutine: a device works
// through its messages one by one, and waits for nobody but the store.
type session struct {
	s      *Server
	stream uplinkv1.Uplink_StreamServer
	ctx    context.Context
	dev    gateway.Device
	cert   *x509.Certificate
	ups    chan received

	permitted time.Time // when the permission was last checked
	touched   time.Time
	version   string
	digest    []byte // of the newest policy, as noted in the registry
	policies  map[[32]byte]privacy.Policy
	logged    map[string]bool
	push      pushed
	pending   map[string]gateway.Identity // by pseudonym; their people are not in the store yet
}

func newSession(s *Server, stream uplinkv1.Uplink_StreamServer, dev gateway.Device, cert *x509.Certificate) *session {
	return &session{
		s: s, stream: stream, ctx: stream.Context(), dev: dev, cert: cert, ups: make(chan received),
		permitted: time.Now(), policies: map[[32]byte]privacy.Policy{}, logged: map[string]bool{}, pending: map[string]gateway.Identity{},
	}
}

// read hands on what the agent says until the stream ends.
func (t *session) read() {
	for {
		up, err := t.stream.Recv()
		select {
		case t.ups <- received{up, err}:
		case <-t.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// end counts why a stream is ended by us, and returns the error for it.
func (t *session) end(code codes.Code, reason string) error {
	t.s.count.refuse(reason)
	t.s.o.Log.Warn("stream ended", "device", string(t.dev), "reason", reason)
	return status.Error(code, reason)
}

// serve greets the agent and takes its messages.
func (t *session) serve() error {
	timer := time.NewTimer(t.s.o.HelloWithin)
	defer timer.Stop()
	select {
	case r := <-t.ups:
		if r.err != nil {
			return t.gone(r.err)
		}
		if err := t.hello(r.up.GetHello()); err != nil {
			return err
		}
	case <-timer.C:
		return t.end(codes.DeadlineExceeded, ReasonNoHello)
	case <-t.ctx.Done():
		return t.gone(t.ctx.Err())
	}
	for {
		timer.Reset(t.s.o.RecheckIdle)
		select {
		case r := <-t.ups:
			if r.err != nil {
				return t.gone(r.err)
			}
			if err := t.recheck(t.s.o.RecheckBusy); err != nil {
				return err
			}
			if err := t.take(r.up); err != nil {
				return err
			}
		case <-t.push.next:
			if err := t.recheck(t.s.o.RecheckBusy); err != nil {
				return err
			}
			if err := t.sendPush(); err != nil {
				return err
			}
		case <-timer.C:
			if err := t.recheck(0); err != nil {
				return err
			}
		case <-t.ctx.Done():
			return t.gone(t.ctx.Err())
		}
	}
}

// gone is the end of a stream that the agent left.
func (t *session) gone(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	if status.Code(err) == codes.ResourceExhausted {
		// A message over the limit of the transport: the agent must hear it.
		t.s.count.refuse("message too large")
		return status.Error(codes.ResourceExhausted, "message too large")
	}
	return status.Error(codes.Canceled, "stream gone")
}

// recheck makes sure that the device may still talk to us, if that was last
// known longer ago than age. So a revocation ends a live stream.
func (t *session) recheck(age time.Duration) error {
	if time.Since(t.permitted) < age {
		return nil
	}
	dev, err := t.s.authorize(t.ctx, t.cert, t.dev)
	if err != nil {
		return err
	}
	if dev != t.dev {
		return t.end(codes.Unauthenticated, "device unknown")
	}
	t.permitted = time.Now()
	return nil
}

// hello answers with what is stored already, and with the limits.
func (t *session) hello(h *uplinkv1.Hello) error {
	if h == nil || len(h.GetEpochs()) > maxEpochs {
		return t.end(codes.InvalidArgument, ReasonMalformed)
	}
	if h.GetProtocol() != protocolVersion {
		return t.end(codes.FailedPrecondition, ReasonProtocolVersion)
	}
	w := &uplinkv1.Welcome{ServerUnixMs: t.s.o.Now().UnixMilli(), Limits: &uplinkv1.Limits{
		MaxBatchEvents:  uint32(t.s.o.Limits.BatchEvents),
		MaxBatchBytes:   uint32(t.s.o.Limits.BatchBytes),
		MaxDecodedBytes: uint32(t.s.o.Limits.DecodedBytes),
		WindowBatches:   uint32(t.s.o.Limits.WindowBatches),
	}}
	for _, b := range h.GetEpochs() {
		e, ok := epochOf(b)
		if !ok {
			return t.end(codes.InvalidArgument, ReasonMalformed)
		}
		through, err := t.s.store.Acked(t.ctx, t.dev, e)
		if err != nil {
			t.s.storeFails(t.dev, err)
			return status.Error(codes.Unavailable, reasonFault)
		}
		w.Acked = append(w.Acked, &uplinkv1.AckedEpoch{Epoch: b, ThroughSeq: through})
	}
	t.version = versionOf(h.GetAgentVersion())
	t.touch(true)
	t.s.o.Log.Debug("stream opened", "device", string(t.dev))
	if err := t.stream.Send(&uplinkv1.Down{Message: &uplinkv1.Down_Welcome{Welcome: w}}); err != nil {
		return err
	}
	return t.sendPush()
}

// take works on one message.
func (t *session) take(up *uplinkv1.Up) error {
	switch m := up.GetMessage().(type) {
	case *uplinkv1.Up_Hello:
		return t.end(codes.InvalidArgument, ReasonMalformed)
	case *uplinkv1.Up_Policy:
		return t.policy(m.Policy)
	case *uplinkv1.Up_Batch:
		return t.batch(m.Batch)
	case *uplinkv1.Up_Gap:
		return t.gap(m.Gap)
	case *uplinkv1.Up_Health:
		t.touch(false)
	case *uplinkv1.Up_Identity:
		t.identity(m.Identity)
	case *uplinkv1.Up_ConfigStatus:
		t.configStatus(m.ConfigStatus)
	default:
		t.s.count.unknown.Add(1)
	}
	return nil
}

// policy remembers the levels behind a digest. One that cannot be read ends the
// stream: then the records stay with the agent until the gateway is updated.
func (t *session) policy(m *uplinkv1.Policy) error {
	if len(m.GetDigest()) != sha256.Size || len(m.GetLevels()) > maxLevels ||
		sha256.Sum256([]byte(m.GetLevels())) != [32]byte(m.GetDigest()) {
		return t.end(codes.InvalidArgument, ReasonMalformed)
	}
	p, err := privacy.ParseLines(m.GetLevels())
	if err != nil || p.Digest() != [32]byte(m.GetDigest()) {
		return t.end(codes.FailedPrecondition, ReasonPolicyUnread)
	}
	digest := [32]byte(m.GetDigest())
	if err := t.s.reg.PutPolicy(t.ctx, digest, m.GetLevels()); err != nil {
		// The stream knows it all the same; the next one will ask for it.
		t.s.storeFails(t.dev, err)
	}
	t.remember(digest, p)
	t.s.count.policies.Add(1)
	return nil
}

func (t *session) remember(digest [32]byte, p privacy.Policy) {
	if len(t.policies) >= maxPolicies {
		clear(t.policies)
	}
	t.policies[digest] = p
}

// policyOf returns the policy behind a digest, as this stream or an earlier one
// of any device told it. Digests name their contents, so that does not matter.
func (t *session) policyOf(digest [32]byte) (privacy.Policy, error) {
	if p, ok := t.policies[digest]; ok {
		return p, nil
	}
	levels, err := t.s.reg.Policy(t.ctx, digest)
	if err != nil {
		return privacy.Policy{}, err
	}
	p, err := privacy.ParseLines(levels)
	if err != nil || p.Digest() != digest {
		return privacy.Policy{}, gateway.ErrNotFound
	}
	t.remember(digest, p)
	return p, nil
}

// touch notes a contact, at most once in a while unless now is set. What the
// registry says matters to nobody who waits, so an error is only counted.
func (t *session) touch(now bool) {
	if !now && time.Since(t.touched) < t.s.o.TouchEvery {
		return
	}
	t.touched = time.Now()
	if err := t.s.reg.Touch(t.ctx, t.dev, t.s.o.Now(), t.version, t.digest); err != nil {
		t.s.storeFails(t.dev, err)
	}
}

func epochOf(b []byte) (e gateway.Epoch, ok bool) {
	return e, copy(e[:], b) == len(e) && len(b) == len(e)
}

// versionOf lets through what can be a version: the agent's text ends in lists
// that people read.
func versionOf(s string) string {
	if len(s) > maxVersion {
		return ""
	}
	for _, b := range []byte(s) {
		if (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && (b < '0' || b > '9') && b != '.' && b != '-' && b != '+' && b != '_' {
			return ""
		}
	}
	return s
}
