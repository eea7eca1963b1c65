package ingest

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// verdict is why a batch is not taken.
type verdict struct {
	code  uplinkv1.RejectCode
	limit int
	field string
	index uint32 // of the record; as large as the batch where none in particular is at fault
}

const (
	tooLarge      = uplinkv1.RejectCode_REJECT_CODE_TOO_LARGE
	policyUnknown = uplinkv1.RejectCode_REJECT_CODE_POLICY_UNKNOWN
	forbidden     = uplinkv1.RejectCode_REJECT_CODE_FORBIDDEN
	malformed     = uplinkv1.RejectCode_REJECT_CODE_MALFORMED
	badEncoding   = uplinkv1.RejectCode_REJECT_CODE_ENCODING
)

// batch checks, stores and acknowledges one batch: all of it or nothing.
func (t *session) batch(b *uplinkv1.Batch) error {
	epoch, bad := t.envelope(b)
	if bad != nil {
		return t.reject(b.GetEpoch(), b.GetFirstSeq(), bad)
	}
	policy, err := t.policyOf([32]byte(b.GetPolicyDigest()))
	if errors.Is(err, gateway.ErrNotFound) {
		return t.reject(b.GetEpoch(), b.GetFirstSeq(), &verdict{code: policyUnknown})
	}
	if err != nil {
		return t.putOff(b.GetEpoch(), b.GetFirstSeq(), err)
	}
	h, ok := t.s.take(t.ctx)
	if !ok {
		return t.gone(t.ctx.Err())
	}
	defer t.s.give(h)
	if bad := t.events(h, policy, b); bad != nil {
		return t.reject(b.GetEpoch(), b.GetFirstSeq(), bad)
	}
	ctx, cancel := t.storing()
	defer cancel()
	if err := t.s.store.Append(ctx, t.dev, epoch, b.GetFirstSeq(), h.events); err != nil {
		return t.putOff(b.GetEpoch(), b.GetFirstSeq(), err)
	}
	t.s.storeWorks()
	t.s.count.batches.Add(1)
	t.s.count.events.Add(uint64(len(h.events)))
	t.note(b.GetPolicyDigest(), h.events)
	t.settleIdentities()
	return t.ack(b.GetEpoch(), b.GetFirstSeq()+uint64(b.GetCount())-1)
}

// storing returns the context for the store. It outlives the stream: what is
// half done is better finished than rolled back and sent again.
func (t *session) storing() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(t.ctx), t.s.o.StoreWithin)
}

// envelope checks all of a batch but its payload.
func (t *session) envelope(b *uplinkv1.Batch) (gateway.Epoch, *verdict) {
	l := t.s.o.Limits
	e, ok := epochOf(b.GetEpoch())
	bad := func(code uplinkv1.RejectCode, field string, limit int) (gateway.Epoch, *verdict) {
		return e, &verdict{code: code, field: field, limit: limit, index: b.GetCount()}
	}
	switch {
	case !ok:
		return bad(malformed, "epoch", 0)
	case b.GetCount() == 0:
		return bad(malformed, "count", 0)
	// Numbers are kept as signed ones in databases.
	case b.GetFirstSeq() == 0, b.GetFirstSeq() > math.MaxInt64-uint64(b.GetCount()):
		return bad(malformed, "first_seq", 0)
	case len(b.GetPolicyDigest()) != 32:
		return bad(malformed, "policy_digest", 0)
	case b.GetEncoding() != uplinkv1.Encoding_ENCODING_ZSTD_RECORDS:
		return bad(badEncoding, "encoding", 0)
	case int64(b.GetCount()) > int64(l.BatchEvents):
		return bad(tooLarge, "count", l.BatchEvents)
	case len(b.GetPayload()) > l.BatchBytes:
		return bad(tooLarge, "payload", l.BatchBytes)
	}
	return e, nil
}

// events decodes a payload into h.events and gives each event its second look.
func (t *session) events(h *hands, policy privacy.Policy, b *uplinkv1.Batch) *verdict {
	records, err := h.records(b.GetPayload(), int(b.GetCount()))
	if errors.Is(err, errTooLarge) {
		return &verdict{code: tooLarge, field: "payload", limit: h.limit, index: b.GetCount()}
	}
	if err != nil {
		return &verdict{code: malformed, field: "payload", index: b.GetCount()}
	}
	for i, record := range records {
		ev, err := decode(record)
		if err != nil {
			return &verdict{code: malformed, field: "payload", index: uint32(i)}
		}
		if err := t.s.o.Check(policy, ev); err != nil {
			return &verdict{code: forbidden, field: t.s.o.Field(err), index: uint32(i)}
		}
		h.events = append(h.events, ev)
	}
	return nil
}

// gap stores and acknowledges the account of records that will not come.
func (t *session) gap(g *uplinkv1.Gap) error {
	bad := func(field string) error {
		return t.reject(g.GetEpoch(), g.GetSeq(), &verdict{code: malformed, field: field})
	}
	epoch, ok := epochOf(g.GetEpoch())
	if !ok {
		return bad("epoch")
	}
	var lost gateway.Epoch
	if len(g.GetLostEpoch()) > 0 {
		if lost, ok = epochOf(g.GetLostEpoch()); !ok {
			return bad("lost_epoch")
		}
	}
	switch {
	case g.GetSeq() == 0 || g.GetSeq() >= math.MaxInt64:
		return bad("seq")
	case g.GetLostFirst() > g.GetLostLast() || g.GetLostLast() >= math.MaxInt64,
		g.GetLostFirst() == 0 && g.GetLostLast() != 0:
		return bad("lost_last")
	case g.GetCount() > math.MaxInt64:
		return bad("count")
	}
	reason := g.GetReason()
	if _, known := eventv1.LossReason_name[int32(reason)]; !known {
		reason = eventv1.LossReason_LOSS_REASON_UNSPECIFIED // of a newer agent
	}
	ctx, cancel := t.storing()
	defer cancel()
	err := t.s.store.AppendGap(ctx, t.dev, gateway.Gap{
		Epoch: epoch, Seq: g.GetSeq(), Lost: lost, First: g.GetLostFirst(), Last: g.GetLostLast(),
		Count: g.GetCount(), Reason: reason,
	})
	if err != nil {
		return t.putOff(g.GetEpoch(), g.GetSeq(), err)
	}
	t.s.storeWorks()
	t.s.count.gaps.Add(1)
	t.s.count.lost.Add(g.GetCount())
	return t.ack(g.GetEpoch(), g.GetSeq())
}

// note tells the registry what a stored batch says about its device.
func (t *session) note(digest []byte, events []*eventv1.Event) {
	changed := !bytes.Equal(t.digest, digest)
	if changed {
		t.digest = bytes.Clone(digest)
	}
	t.touch(changed)
	t.keepState(events)
	for _, ev := range slices.Backward(events) {
		if d := ev.GetDevice(); d != nil {
			t.describe(d)
			return
		}
	}
}

// describe updates the device's record where it says something new. What the
// registry keeps of a device is what IT set, and its system.
func (t *session) describe(d *eventv1.Device) {
	rec, err := t.s.reg.Device(t.ctx, t.dev)
	if err != nil {
		if !errors.Is(err, gateway.ErrNotFound) {
			t.s.storeFails(t.dev, err)
		}
		return
	}
	if rec.AssetID == d.GetAssetId() && slices.Equal(rec.Tags, d.GetTags()) && rec.System == d.GetSystem() {
		return
	}
	// Not PutDevice: a device that was deleted meanwhile must not come back.
	err = t.s.reg.DescribeDevice(t.ctx, t.dev, d.GetAssetId(), d.GetTags(), d.GetSystem())
	if err != nil && !errors.Is(err, gateway.ErrNotFound) {
		t.s.storeFails(t.dev, err)
	}
}

func (t *session) ack(epoch []byte, through uint64) error {
	return t.stream.Send(&uplinkv1.Down{Message: &uplinkv1.Down_Ack{
		Ack: &uplinkv1.Ack{Epoch: epoch, ThroughSeq: through},
	}})
}

// reject says why a batch is not taken, and logs each kind once a stream.
func (t *session) reject(epoch []byte, first uint64, v *verdict) error {
	t.s.count.reject(v.code)
	if key := v.code.String() + v.field; !t.logged[key] && len(t.logged) < 32 && v.code != policyUnknown {
		t.logged[key] = true
		t.s.o.Log.Warn("batch rejected", "device", string(t.dev), "code", v.code.String(), "field", v.field)
	}
	return t.stream.Send(&uplinkv1.Down{Message: &uplinkv1.Down_Reject{Reject: &uplinkv1.Reject{
		Epoch: epoch, FirstSeq: first, Code: v.code, Limit: uint64(v.limit), Field: v.field, Index: v.index,
	}}})
}

// putOff asks the agent to send a batch again later: the fault is ours.
func (t *session) putOff(epoch []byte, first uint64, err error) error {
	t.s.storeFails(t.dev, err)
	t.s.count.putOff.Add(1)
	return t.stream.Send(&uplinkv1.Down{Message: &uplinkv1.Down_RetryAfter{RetryAfter: &uplinkv1.RetryAfter{
		Epoch: epoch, FirstSeq: first, AfterMs: uint32(t.s.o.RetryAfter / time.Millisecond),
	}}})
}

// storeFails logs that the store or the registry does not work, once until it
// works again. The text of its error may hold values: only its kind is told.
func (s *Server) storeFails(dev gateway.Device, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	s.mu.Lock()
	first := !s.storeDown
	s.storeDown = true
	s.mu.Unlock()
	if first {
		s.o.Log.Error("store does not answer", "device", string(dev),
			"timeout", errors.Is(err, context.DeadlineExceeded))
	}
}

func (s *Server) storeWorks() {
	s.mu.Lock()
	again := s.storeDown
	s.storeDown = false
	s.mu.Unlock()
	if again {
		s.o.Log.Info("store answers again")
	}
}
