package ingest

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

func TestStoresAndAcknowledges(t *testing.T) {
	s := newSite(t, nil)
	a := s.open("d1")
	a.policy(balanced())
	for i := range 5 {
		d := a.batch(batch(uint64(i*10+1), 10))
		if got := d.GetAck().GetThroughSeq(); got != uint64(i*10+10) {
			t.Fatalf("ack of batch %d = %v; want %d", i, d, i*10+10)
		}
	}
	a.batch(batch(11, 10)) // came again
	if s.store.count() != 50 || s.store.skipped != 10 {
		t.Errorf("rows %d, skipped %d; want 50, 10", s.store.count(), s.store.skipped)
	}
	epoch := bytes.Repeat([]byte{7}, 16)
	b := s.dial(s.conf(s.ca.issue(t, "d1", later())))
	w := b.hello(make([]byte, 16), epoch)
	if len(w.Acked) != 2 || w.Acked[0].ThroughSeq != 0 || w.Acked[1].ThroughSeq != 50 {
		t.Errorf("welcome acked %v; want 0 and 50", w.Acked)
	}
	if l := w.Limits; l.MaxBatchEvents != 512 || l.MaxBatchBytes != 256<<10 || l.MaxDecodedBytes != 1<<20 || l.WindowBatches != 8 {
		t.Errorf("limits = %v; want the defaults", l)
	}
	c := s.srv.Counters()
	if c.Batches != 6 || c.Events != 60 || c.Policies != 1 || c.Streams != 2 || c.Open != 2 {
		t.Errorf("counters = %+v; want 6 batches, 60 events, 1 policy, 2 streams", c)
	}
	rec, _ := s.store.Device(context.Background(), "d1")
	digest := balanced().Digest()
	if rec.AgentVersion != "1.2.3" || !bytes.Equal(rec.PolicyDigest, digest[:]) || rec.LastContact.IsZero() || rec.Group != "g" {
		t.Errorf("device record = %+v; want version, digest, contact", rec)
	}
	if strings.Contains(s.log.String(), "127.0.0.1") || strings.Contains(s.log.String(), "package") {
		t.Errorf("the log holds an address or a value:\n%s", s.log)
	}
}

func TestPolicyOfAnotherStream(t *testing.T) {
	s := newSite(t, nil)
	a := s.open("d1")
	if r := a.batch(batch(1, 1)).GetReject(); r.GetCode() != policyUnknown {
		t.Fatalf("batch without a policy = %v; want POLICY_UNKNOWN", r)
	}
	a.policy(balanced())
	if d := a.batch(batch(1, 1)); d.GetAck() == nil {
		t.Errorf("the same with a policy = %v; want an ack", d)
	}
	if d := s.open("d2").batch(batch(1, 1)); d.GetAck() == nil {
		t.Errorf("batch of another device = %v; want an ack: the registry knows the digest", d)
	}
}

func TestRejects(t *testing.T) {
	unknownField := append(software("x"), protowire.AppendString(protowire.AppendTag(nil, 99, protowire.BytesType), "zz-canary")...)
	nested := &eventv1.Software{Name: "x"}
	nested.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 98, protowire.BytesType), "zz-canary"))
	inner, err := proto.Marshal(&eventv1.Event{Kind: &eventv1.Event_Software{Software: nested}})
	if err != nil {
		t.Fatal(err)
	}
	with := func(records ...[]byte) func(*uplinkv1.Batch) {
		return func(b *uplinkv1.Batch) { b.Payload, b.Count = pack(records...), uint32(len(records)) }
	}
	for _, tt := range []struct {
		name   string
		change func(*uplinkv1.Batch)
		code   uplinkv1.RejectCode
		field  string
		index  uint32
	}{
		{"short epoch", func(b *uplinkv1.Batch) { b.Epoch = []byte{1} }, malformed, "epoch", 3},
		{"no epoch", func(b *uplinkv1.Batch) { b.Epoch = nil }, malformed, "epoch", 3},
		{"no number", func(b *uplinkv1.Batch) { b.FirstSeq = 0 }, malformed, "first_seq", 3},
		{"number overflows", func(b *uplinkv1.Batch) { b.FirstSeq = math.MaxUint64 - 1 }, malformed, "first_seq", 3},
		{"number overflows int64", func(b *uplinkv1.Batch) { b.FirstSeq = math.MaxInt64 - 2 }, malformed, "first_seq", 3},
		{"no count", func(b *uplinkv1.Batch) { b.Count = 0 }, malformed, "count", 0},
		{"count too high", func(b *uplinkv1.Batch) { b.Count = 4 }, malformed, "payload", 4},
		{"count too low", func(b *uplinkv1.Batch) { b.Count = 2 }, malformed, "payload", 2},
		{"count over the limit", func(b *uplinkv1.Batch) { b.Count = math.MaxUint32 }, tooLarge, "count", math.MaxUint32},
		{"no digest", func(b *uplinkv1.Batch) { b.PolicyDigest = nil }, malformed, "policy_digest", 3},
		{"unknown digest", func(b *uplinkv1.Batch) { b.PolicyDigest = make([]byte, 32) }, policyUnknown, "", 0},
		{"no encoding", func(b *uplinkv1.Batch) { b.Encoding = 0 }, badEncoding, "encoding", 3},
		{"newer encoding", func(b *uplinkv1.Batch) { b.Encoding = 9 }, badEncoding, "encoding", 3},
		{"payload over the limit", func(b *uplinkv1.Batch) { b.Payload = make([]byte, 300<<10) }, tooLarge, "payload", 3},
		{"not zstd", func(b *uplinkv1.Batch) { b.Payload = []byte("canary") }, malformed, "payload", 3},
		{"empty payload", func(b *uplinkv1.Batch) { b.Payload = nil }, malformed, "payload", 3},
		{"cut zstd", func(b *uplinkv1.Batch) { b.Payload = b.Payload[:len(b.Payload)-3] }, malformed, "payload", 3},
		{"not records", func(b *uplinkv1.Batch) { b.Payload = squeeze([]byte("canary")) }, malformed, "payload", 3},
		{"over the limit after decompression", func(b *uplinkv1.Batch) { b.Payload = squeeze(make([]byte, 2<<20)) }, tooLarge, "payload", 3},
		{"not an event", with(software("x"), []byte{0xff, 0xff}), malformed, "payload", 1},
		{"not UTF-8", with([]byte("\xaa\x01\x03\x0a\x01\xff")), malformed, "payload", 0},
		{"event of no kind", with(software("x"), software("y"), nil), forbidden, "", 2},
		{"unknown field", with(software("x"), unknownField), forbidden, "", 1},
		{"unknown field deep down", with(inner), forbidden, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			a := s.open("d1")
			a.policy(balanced())
			b := batch(5, 3)
			tt.change(b)
			r := a.batch(b).GetReject()
			if r.GetCode() != tt.code || r.GetField() != tt.field || r.GetIndex() != tt.index || r.GetFirstSeq() != b.FirstSeq {
				t.Errorf("answer = %v; want %v of %q at %d", r, tt.code, tt.field, tt.index)
			}
			if s.store.count() != 0 || s.srv.Counters().Rejected[tt.code] != 1 {
				t.Errorf("rows %d, counted %v; want 0, 1", s.store.count(), s.srv.Counters().Rejected)
			}
			if d := a.batch(batch(1, 2)); d.GetAck().GetThroughSeq() != 2 {
				t.Errorf("the next batch = %v; want an ack: the stream goes on", d)
			}
			if strings.Contains(s.log.String(), "canary") {
				t.Errorf("the log holds a value:\n%s", s.log)
			}
		})
	}
}

type breach struct{ field string }

func (breach) Error() string { return "jdoe is a value" }

func TestSecondLook(t *testing.T) {
	var seen privacy.Policy
	s := newSite(t, func(o *Options) {
		o.Check = func(p privacy.Policy, ev *eventv1.Event) error {
			seen = p
			if ev.GetSoftware().GetName() == "package b" {
				return breach{"Software.name"}
			}
			return nil
		}
		o.Field = func(err error) string { return err.(breach).field }
	})
	a := s.open("d1")
	a.policy(balanced())
	r := a.batch(batch(1, 5)).GetReject()
	if r.GetCode() != forbidden || r.GetField() != "Software.name" || r.GetIndex() != 1 {
		t.Errorf("answer = %v; want FORBIDDEN, Software.name, 1", r)
	}
	if seen != balanced() || s.store.count() != 0 {
		t.Errorf("policy %v, rows %d; want the policy of the batch, and nothing stored", seen == balanced(), s.store.count())
	}
	if strings.Contains(s.log.String(), "jdoe") {
		t.Errorf("the log holds a value:\n%s", s.log)
	}
}

func TestPolicyMessages(t *testing.T) {
	good := balanced()
	digest := good.Digest()
	for _, tt := range []struct {
		name string
		p    *uplinkv1.Policy
		want string
	}{
		{"digest of another", &uplinkv1.Policy{Digest: make([]byte, 32), Levels: good.Lines()}, ReasonMalformed},
		{"short digest", &uplinkv1.Policy{Digest: digest[:5], Levels: good.Lines()}, ReasonMalformed},
		{"too long", policyOf(strings.Repeat("x", 9000)), ReasonMalformed},
		{"unknown key", policyOf(good.Lines() + "zz=drop\n"), ReasonPolicyUnread},
		{"unknown level", policyOf(strings.Replace(good.Lines(), "=drop", "=canary", 1)), ReasonPolicyUnread},
		{"newer schema", policyOf(strings.Replace(good.Lines(), "schema=1", "schema=2", 1)), ReasonPolicyUnread},
		{"empty", policyOf(""), ReasonPolicyUnread},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			a := s.open("d1")
			a.send(&uplinkv1.Up{Message: &uplinkv1.Up_Policy{Policy: tt.p}})
			if got := status.Convert(a.fails()).Message(); got != tt.want {
				t.Errorf("stream ends with %q; want %q", got, tt.want)
			}
			if len(s.store.policies) != 0 {
				t.Error("the registry was told")
			}
		})
	}
}

func TestStoreFails(t *testing.T) {
	s := newSite(t, nil)
	a := s.open("d1")
	a.policy(balanced())
	a.batch(batch(1, 5))
	s.store.setFail(errors.New("constraint: name jdoe"))
	if r := a.batch(batch(6, 5)).GetRetryAfter(); r.GetFirstSeq() != 6 || r.GetAfterMs() != 5000 {
		t.Errorf("answer = %v; want RetryAfter of 6", r)
	}
	if r := a.gap(&uplinkv1.Gap{Epoch: make([]byte, 16), Seq: 3}).GetRetryAfter(); r.GetFirstSeq() != 3 {
		t.Errorf("answer = %v; want RetryAfter of 3", r)
	}
	s.store.setFail(nil)
	if d := a.batch(batch(6, 5)); d.GetAck().GetThroughSeq() != 10 {
		t.Errorf("answer = %v; want an ack", d)
	}
	if s.srv.Counters().PutOff != 2 || strings.Contains(s.log.String(), "jdoe") {
		t.Errorf("put off %d; want 2; log:\n%s", s.srv.Counters().PutOff, s.log)
	}
	for _, words := range []string{"store does not answer", "store answers again"} {
		if n := strings.Count(s.log.String(), words); n != 1 {
			t.Errorf("logged %q %d times; want once", words, n)
		}
	}
}

func TestSlowStore(t *testing.T) {
	s := newSite(t, func(o *Options) { o.StoreWithin = 100 * time.Millisecond })
	s.store.slow = make(chan struct{})
	a := s.open("d1")
	a.policy(balanced())
	if r := a.batch(batch(1, 5)).GetRetryAfter(); r.GetFirstSeq() != 1 {
		t.Errorf("answer = %v; want RetryAfter", r)
	}
	close(s.store.slow)
	if d := a.batch(batch(1, 5)); d.GetAck().GetThroughSeq() != 5 {
		t.Errorf("answer = %v; want an ack", d)
	}
}

func (a *agent) gap(g *uplinkv1.Gap) *uplinkv1.Down {
	a.t.Helper()
	a.send(&uplinkv1.Up{Message: &uplinkv1.Up_Gap{Gap: g}})
	return a.recv()
}

func TestGaps(t *testing.T) {
	e := make([]byte, 16)
	for _, tt := range []struct {
		name string
		gap  *uplinkv1.Gap
		want string // the field at fault
	}{
		{"all known", &uplinkv1.Gap{Epoch: e, Seq: 9, LostEpoch: e, LostFirst: 2, LostLast: 4, Count: 3, Reason: eventv1.LossReason_LOSS_REASON_DAMAGE}, ""},
		{"nothing known", &uplinkv1.Gap{Epoch: e, Seq: 9}, ""},
		{"newer reason", &uplinkv1.Gap{Epoch: e, Seq: 9, Reason: 77}, ""},
		{"short epoch", &uplinkv1.Gap{Epoch: e[:3], Seq: 9}, "epoch"},
		{"no number", &uplinkv1.Gap{Epoch: e}, "seq"},
		{"big number", &uplinkv1.Gap{Epoch: e, Seq: math.MaxUint64}, "seq"},
		{"short lost epoch", &uplinkv1.Gap{Epoch: e, Seq: 9, LostEpoch: e[:3]}, "lost_epoch"},
		{"backwards", &uplinkv1.Gap{Epoch: e, Seq: 9, LostFirst: 5, LostLast: 4}, "lost_last"},
		{"half a range", &uplinkv1.Gap{Epoch: e, Seq: 9, LostLast: 4}, "lost_last"},
		{"big count", &uplinkv1.Gap{Epoch: e, Seq: 9, Count: math.MaxUint64}, "count"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			d := s.open("d1").gap(tt.gap)
			if tt.want != "" && (d.GetReject().GetCode() != malformed || d.GetReject().GetField() != tt.want || len(s.store.gaps) != 0) {
				t.Errorf("answer = %v; want MALFORMED %s", d, tt.want)
			}
			if tt.want == "" && (d.GetAck().GetThroughSeq() != 9 || len(s.store.gaps) != 1 || s.store.gaps[0].Reason > 10) {
				t.Errorf("answer = %v, gaps %v; want an ack", d, s.store.gaps)
			}
		})
	}
}

func TestDeviceRecordFollows(t *testing.T) {
	s := newSite(t, nil)
	a := s.open("d1")
	a.policy(balanced())
	ev, err := proto.Marshal(&eventv1.Event{Kind: &eventv1.Event_Device{Device: &eventv1.Device{
		AssetId: "A-17", Tags: []string{"lab"}, System: eventv1.System_SYSTEM_LINUX, Name: "canary",
	}}})
	if err != nil {
		t.Fatal(err)
	}
	b := batch(1, 2)
	b.Payload = pack(ev, software("x"))
	a.batch(b)
	rec, _ := s.store.Device(context.Background(), "d1")
	if rec.AssetID != "A-17" || len(rec.Tags) != 1 || rec.System != eventv1.System_SYSTEM_LINUX || rec.Group != "g" {
		t.Errorf("record = %+v; want asset id, tag, system, and the group kept", rec)
	}
}

func TestMessagesThatAreCounted(t *testing.T) {
	s := newSite(t, nil)
	a := s.open("d1")
	a.policy(balanced())
	a.send(&uplinkv1.Up{Message: &uplinkv1.Up_Identity{Identity: &uplinkv1.Identity{Pseudonym: "p1.t1.x"}}})
	a.send(&uplinkv1.Up{Message: &uplinkv1.Up_ConfigStatus{ConfigStatus: &uplinkv1.ConfigStatus{}}})
	a.send(&uplinkv1.Up{Message: &uplinkv1.Up_Health{Health: &uplinkv1.Health{}}})
	a.send(&uplinkv1.Up{})
	if d := a.batch(batch(1, 1)); d.GetAck() == nil {
		t.Fatalf("answer = %v; want the ack of the batch, and nothing before it", d)
	}
	if c := s.srv.Counters(); c.Identities != 1 || c.Reports != 1 || c.Unknown != 1 {
		t.Errorf("counters = %+v; want one of each", c)
	}
	if s.store.touches != 2 { // the hello, and the first digest
		t.Errorf("%d touches; want 2: health came within a minute", s.store.touches)
	}
}

// A gateway that is told nothing uses bounds that make sense.
func TestDefaults(t *testing.T) {
	o := Options{}.withDefaults()
	if o.Limits.BatchesInHand*o.Limits.DecodedBytes > 128<<20 {
		t.Error("the buffers of all hands are over 128 MiB")
	}
	if o.RecheckBusy > 10*time.Second || o.RecheckIdle > time.Minute {
		t.Error("a revocation takes effect too late")
	}
	var _ gateway.Store = newMemory()
}
