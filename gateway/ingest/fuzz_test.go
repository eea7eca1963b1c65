package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"testing"

	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

func policyOf(levels string) *uplinkv1.Policy {
	d := sha256.Sum256([]byte(levels))
	return &uplinkv1.Policy{Digest: d[:], Levels: levels}
}

func credentialsOf(c *tls.Config) credentials.TransportCredentials { return credentials.NewTLS(c) }

// FuzzPayload feeds payloads to the decoder: it must say yes or no, within its
// limit, and what it lets through must hold nothing unknown.
func FuzzPayload(f *testing.F) {
	f.Add(pack(software("x"), software("y")), 2)
	f.Add(pack(), 0)
	f.Add(squeeze(make([]byte, 2<<20)), 1)
	f.Add([]byte("(\xb5/\xfd"), 1)
	f.Add([]byte{}, 1)
	h := &hands{limit: 1 << 20}
	f.Fuzz(func(t *testing.T, payload []byte, count int) {
		if count < 1 || count > 512 {
			return
		}
		s := &session{s: &Server{o: Options{}.withDefaults()}}
		bad := s.events(h, privacy.Policy{}, &uplinkv1.Batch{Payload: payload, Count: uint32(count)})
		if bad == nil && len(h.events) != count {
			t.Errorf("%d events of a count of %d", len(h.events), count)
		}
		if bad == nil {
			for _, ev := range h.events {
				if hasUnknown(ev.ProtoReflect()) {
					t.Error("an unknown field went through")
				}
			}
		}
		if cap(h.buf) > h.limit+blockSlack {
			t.Errorf("a buffer of %d is kept", cap(h.buf))
		}
		h.events = h.events[:0]
	})
}

// FuzzUp feeds whole messages to a session that has been greeted.
func FuzzUp(f *testing.F) {
	seed := func(up *uplinkv1.Up) {
		b, err := proto.Marshal(up)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	seed(&uplinkv1.Up{Message: &uplinkv1.Up_Batch{Batch: batch(1, 3)}})
	seed(&uplinkv1.Up{Message: &uplinkv1.Up_Gap{Gap: &uplinkv1.Gap{Epoch: make([]byte, 16), Seq: 1}}})
	seed(&uplinkv1.Up{Message: &uplinkv1.Up_Policy{Policy: policyOf(balanced().Lines())}})
	seed(&uplinkv1.Up{Message: &uplinkv1.Up_Hello{Hello: &uplinkv1.Hello{Protocol: 1}}})
	f.Fuzz(func(t *testing.T, b []byte) {
		up := &uplinkv1.Up{}
		if proto.Unmarshal(b, up) != nil {
			return
		}
		store := newMemory()
		stream := &deaf{ctx: t.Context()}
		s := newSession(New(store, store, nil, Options{Limits: Limits{BatchesInHand: 1}}), stream, "d1", nil)
		s.remember(balanced().Digest(), balanced())
		s.take(up)
		if n := len(store.rows) + len(store.gaps); n > 0 && stream.acks != 1 {
			t.Errorf("%d rows and %d acks; want one ack", n, stream.acks)
		}
		for _, ev := range store.rows {
			if hasUnknown(ev.ProtoReflect()) {
				t.Error("an unknown field was stored")
			}
		}
	})
}

// deaf is a stream that takes answers and counts the acknowledgements.
type deaf struct {
	uplinkv1.Uplink_StreamServer
	ctx  context.Context
	acks int
}

func (d *deaf) Context() context.Context { return d.ctx }

func (d *deaf) Send(down *uplinkv1.Down) error {
	if down.GetAck() != nil {
		d.acks++
	}
	return nil
}

func TestUnknownIsFoundInEveryKind(t *testing.T) {
	fields := (&eventv1.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	for i := range fields.Len() {
		ev := &eventv1.Event{}
		inner := ev.ProtoReflect().Mutable(fields.Get(i)).Message()
		if known(privacy.Policy{}, ev) != nil {
			t.Errorf("known(%s) refuses an event without unknown fields", fields.Get(i).Name())
		}
		inner.SetUnknown(bytes.Clone([]byte{0x98, 0x06, 0x01}))
		if known(privacy.Policy{}, ev) == nil {
			t.Errorf("known(%s) does not see an unknown field", fields.Get(i).Name())
		}
	}
}
