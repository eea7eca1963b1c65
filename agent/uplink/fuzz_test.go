package uplink

import (
	"testing"

	"google.golang.org/protobuf/proto"

	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// mute is a stream to nobody.
type mute struct{ uplinkv1.Uplink_StreamClient }

func (mute) Send(*uplinkv1.Up) error { return nil }

// FuzzDown feeds what a hostile gateway may say to a pump with three batches in
// flight. It may end the stream; it may never free what was not sent, nor more
// than it names.
func FuzzDown(f *testing.F) {
	e := make([]byte, 16)
	e[0] = 1
	for _, d := range []*uplinkv1.Down{
		ackDown(e, 20), ackDown(e, 10), ackDown(e, 35), ackDown(e[:4], 1), {},
		rejectDown(&uplinkv1.Batch{Epoch: e, FirstSeq: 11}, uplinkv1.RejectCode_REJECT_CODE_FORBIDDEN, 4),
		rejectDown(&uplinkv1.Batch{Epoch: e, FirstSeq: 1}, uplinkv1.RejectCode_REJECT_CODE_TOO_LARGE, 1<<31),
		{Message: &uplinkv1.Down_Drain{Drain: &uplinkv1.Drain{AfterMs: 1 << 31}}},
		{Message: &uplinkv1.Down_RetryAfter{RetryAfter: &uplinkv1.RetryAfter{Epoch: e, FirstSeq: 1, AfterMs: 1 << 31}}},
		{Message: &uplinkv1.Down_Directive{Directive: &uplinkv1.Directive{Code: 1}}},
		{Message: &uplinkv1.Down_Welcome{Welcome: &uplinkv1.Welcome{Acked: []*uplinkv1.AckedEpoch{{Epoch: e, ThroughSeq: 30}}}}},
	} {
		b, err := proto.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	enc, err := newEncoder()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		down := &uplinkv1.Down{}
		if proto.Unmarshal(b, down) != nil {
			return
		}
		src := newMemory(t)
		for i := range 40 {
			src.add(record(i), stampOf(0))
		}
		p := newPump(New(src, Options{}), mute{})
		p.limits = bounded(down.GetWelcome().GetLimits())
		fd := &feeder{src: src, enc: enc, max: 10, maxBytes: maxRun, drain: t.Context()}
		for range 3 {
			item, err := fd.next(t.Context(), 10, maxRun)
			if err != nil {
				t.Fatal(err)
			}
			fl := fd.start(item)
			fl.decoded, fl.payload = enc.decoded(), enc.seal()
			if p.admit(fl) != nil || p.send(fl) != nil {
				t.Fatal("a batch was not sent")
			}
		}
		takeErr := p.take(down)
		p.settle()
		freed := 40 + min(len(src.refused), 1) - src.left() // a refusal adds one gap
		if takeErr != nil && freed != 0 || freed > 30 {
			t.Errorf("%d freed, error %v", freed, takeErr)
		}
		next := uint64(freed + 1)
		for _, fl := range p.flights {
			if fl.first != next {
				t.Errorf("a flight begins at %d; want %d: a hole", fl.first, next)
			}
			next = fl.last() + 1
		}
	})
}

// FuzzProxyAnswer reads what a proxy may say.
func FuzzProxyAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 407 x\r\n\r\n"))
	f.Add([]byte("\r\n\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		if err := tunnelAnswer(head); err != nil && dialReason(err) != ReasonProxy && dialReason(err) != ReasonProxyCredentials {
			t.Errorf("tunnelAnswer(%q) = %v; want a proxy error", head, err)
		}
	})
}
