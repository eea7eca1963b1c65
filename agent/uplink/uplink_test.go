package uplink

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/agent/spool"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// pair is a gateway on loopback and a client that has not started.
type pair struct {
	gw  *receiver
	src *memory
	ca  *authority
	o   Options
	log *bytes.Buffer
}

func newPair(t *testing.T, change func(*pair)) (*pair, *Client) {
	t.Helper()
	ca := newAuthority(t)
	l := loopback(t)
	p := &pair{gw: newReceiver(t), src: newMemory(t), ca: ca, log: &bytes.Buffer{}}
	p.o = quick(ca, ca.issue(t, "agent", later()), l.Addr().String())
	p.o.Log = slog.New(slog.NewTextHandler(&lockedBuffer{b: p.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if change != nil {
		change(p)
	}
	t.Cleanup(serve(t, p.gw, ca, l, nil))
	return p, New(p.src, p.o)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  *bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func TestEmptiesTheSource(t *testing.T) {
	p, c := newPair(t, func(p *pair) {
		p.o.MaxBatchEvents = 100
		p.o.Health = func() (uint64, uint64) { return 1, 2 }
	})
	for i := range 250 {
		p.src.add(record(i), stampOf(0))
	}
	p.src.reopen()
	for i := range 130 {
		p.src.add(record(i), stampOf(i/60))
	}
	p.src.mu.Lock()
	p.src.push(entry{gap: &spool.Gap{Lost: spool.Epoch{9}, First: 5, Last: 7, Count: 3, Reason: eventv1.LossReason_LOSS_REASON_DAMAGE}})
	p.src.mu.Unlock()
	stop := start(t, c)
	until(t, "empty source", func() bool { return p.src.left() == 0 })
	stop()
	s := c.Status()
	if s.EventsAcked != 380 || p.gw.count() != 381 || p.gw.again != 0 {
		t.Errorf("acked %d, stored %d, twice %d; want 380, 381, 0", s.EventsAcked, p.gw.count(), p.gw.again)
	}
	if len(p.gw.gaps) != 1 || p.gw.gaps[0].LostLast != 7 || p.gw.gaps[0].Count != 3 {
		t.Errorf("gaps = %v; want one of 5 to 7", p.gw.gaps)
	}
	if s.BytesSent < 1000 || s.BatchesSent < 6 || s.LastAck.IsZero() || s.Connected || s.Reason != ReasonStopped {
		t.Errorf("status = %+v; want figures, and stopped", s)
	}
	if p.gw.health != 1 || len(p.gw.hellos) != 1 || len(p.gw.hellos[0].Epochs) != 2 {
		t.Errorf("health %d, hellos %v; want 1 of each, with two epochs", p.gw.health, p.gw.hellos)
	}
	want := []string{":authority", "content-type", "grpc-accept-encoding", "user-agent"}
	for key := range maps.Keys(p.gw.headers) {
		if !slices.Contains(want, key) {
			t.Errorf("metadata holds %s; want none but %v", key, want)
		}
	}
	if ua := p.gw.headers.Get("user-agent"); len(ua) != 1 || !strings.HasPrefix(ua[0], "discreet-agent/1.2.3 grpc-go/") {
		t.Errorf("user-agent = %v; want discreet-agent/1.2.3 and the library's version", ua)
	}
}

func TestStopSendsWhatIsDurable(t *testing.T) {
	p, c := newPair(t, func(p *pair) { p.o.Linger = time.Hour })
	stop := start(t, c)
	until(t, "connection", func() bool { return c.Status().Connected })
	for i := range 700 {
		p.src.add(record(i), stampOf(0))
	}
	stop() // the linger must not hold it up
	if p.src.left() != 0 || p.gw.count() != 700 {
		t.Errorf("left %d, stored %d after the stop; want 0, 700", p.src.left(), p.gw.count())
	}
}

func TestStopGivesUpInTime(t *testing.T) {
	p, c := newPair(t, func(p *pair) {
		p.o.DrainFor = 50 * time.Millisecond
		p.gw.onUp = func(*uplinkv1.Up, func(*uplinkv1.Down)) (bool, error) { return true, nil } // no answer
	})
	p.src.add(record(1), stampOf(0))
	stop := start(t, c)
	until(t, "a batch", func() bool { return c.Status().BatchesSent == 1 })
	stop()
	if p.src.left() != 1 {
		t.Errorf("left %d; want 1: nothing was acknowledged", p.src.left())
	}
}

// guilty makes a gateway refuse batches that hold one of the named records.
func guilty(code uplinkv1.RejectCode, named bool, bad ...string) func(*uplinkv1.Up, func(*uplinkv1.Down)) (bool, error) {
	return func(up *uplinkv1.Up, send func(*uplinkv1.Down)) (bool, error) {
		b := up.GetBatch()
		if b == nil {
			return false, nil
		}
		records, _ := open(b.Payload)
		for i, r := range records {
			if slices.Contains(bad, string(r)) {
				index := b.Count
				if named {
					index = uint32(i)
				}
				send(rejectDown(b, code, index))
				return true, nil
			}
		}
		return false, nil
	}
}

func TestRefusesTheGuiltyRecordOnly(t *testing.T) {
	const (
		large     = uplinkv1.RejectCode_REJECT_CODE_TOO_LARGE
		forbidden = uplinkv1.RejectCode_REJECT_CODE_FORBIDDEN
		malformed = uplinkv1.RejectCode_REJECT_CODE_MALFORMED
	)
	for _, tt := range []struct {
		name   string
		code   uplinkv1.RejectCode
		named  bool
		bad    []int
		reason eventv1.LossReason
	}{
		{"forbidden, first", forbidden, true, []int{0}, eventv1.LossReason_LOSS_REASON_REFUSED},
		{"forbidden, last", forbidden, true, []int{299}, eventv1.LossReason_LOSS_REASON_REFUSED},
		{"forbidden, some", forbidden, true, []int{7, 8, 150, 151, 152, 250}, eventv1.LossReason_LOSS_REASON_REFUSED},
		{"malformed, not named", malformed, false, []int{3, 77, 290}, eventv1.LossReason_LOSS_REASON_REFUSED},
		{"too large", large, false, []int{111}, eventv1.LossReason_LOSS_REASON_TOO_LARGE},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var bad []string
			for _, i := range tt.bad {
				bad = append(bad, record(i))
			}
			p, c := newPair(t, func(p *pair) {
				p.o.MaxBatchEvents = 100
				p.gw.onUp = guilty(tt.code, tt.named, bad...)
			})
			for i := range 300 {
				p.src.add(record(i), stampOf(0))
			}
			stop := start(t, c)
			until(t, "empty source", func() bool { return p.src.left() == 0 })
			stop()
			if want := 300 - len(tt.bad); int(c.Status().EventsAcked) != want || c.Status().Reconnects != 1 {
				t.Errorf("acked %d over %d streams; want %d over 1", c.Status().EventsAcked, c.Status().Reconnects, want)
			}
			if len(p.src.refused) != len(tt.bad) || len(p.gw.gaps) == 0 {
				t.Errorf("refused %v; want %v, and gaps", p.src.refused, tt.bad)
			}
			for _, i := range tt.bad {
				if p.src.refused[uint64(i+1)] != tt.reason {
					t.Errorf("record %d refused for %v; want %v", i, p.src.refused[uint64(i+1)], tt.reason)
				}
			}
			if strings.Contains(p.log.String(), "made-up") {
				t.Errorf("the log holds a record:\n%s", p.log)
			}
		})
	}
}

func TestAsksForThePolicyAgain(t *testing.T) {
	var mu sync.Mutex
	policies, asked := 0, false
	p, c := newPair(t, func(p *pair) {
		p.gw.onUp = func(up *uplinkv1.Up, send func(*uplinkv1.Down)) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			if up.GetPolicy() != nil {
				policies++
			}
			if b := up.GetBatch(); b != nil && !asked {
				asked = true
				send(rejectDown(b, uplinkv1.RejectCode_REJECT_CODE_POLICY_UNKNOWN, 0))
				return true, nil
			}
			return false, nil
		}
	})
	p.src.add(record(1), stampOf(0))
	stop := start(t, c)
	until(t, "empty source", func() bool { return p.src.left() == 0 })
	stop()
	if policies != 2 || p.gw.count() != 1 {
		t.Errorf("policies %d, stored %d; want 2, 1", policies, p.gw.count())
	}
}

func TestNonsenseFreesNothing(t *testing.T) {
	ack := func(e []byte, n uint64) *uplinkv1.Down { return ackDown(e, n) }
	for _, tt := range []struct {
		name string
		down func(b *uplinkv1.Batch) *uplinkv1.Down
	}{
		{"ack from the future", func(b *uplinkv1.Batch) *uplinkv1.Down { return ack(b.Epoch, 1<<40) }},
		{"ack of the next number", func(b *uplinkv1.Batch) *uplinkv1.Down { return ack(b.Epoch, 11) }},
		{"ack of nothing", func(b *uplinkv1.Batch) *uplinkv1.Down { return ack(b.Epoch, 0) }},
		{"ack of another epoch", func(*uplinkv1.Batch) *uplinkv1.Down { return ack(make([]byte, 16), 1) }},
		{"ack of a short epoch", func(*uplinkv1.Batch) *uplinkv1.Down { return ack([]byte{1}, 1) }},
		{"empty ack", func(*uplinkv1.Batch) *uplinkv1.Down { return &uplinkv1.Down{Message: &uplinkv1.Down_Ack{}} }},
		{"reject of what was not sent", func(b *uplinkv1.Batch) *uplinkv1.Down {
			b.FirstSeq += 3
			return rejectDown(b, uplinkv1.RejectCode_REJECT_CODE_FORBIDDEN, 0)
		}},
		{"reject without a code", func(b *uplinkv1.Batch) *uplinkv1.Down { return rejectDown(b, 0, 0) }},
		{"reject of a newer code", func(b *uplinkv1.Batch) *uplinkv1.Down { return rejectDown(b, 99, 0) }},
		{"reject of the encoding", func(b *uplinkv1.Batch) *uplinkv1.Down {
			return rejectDown(b, uplinkv1.RejectCode_REJECT_CODE_ENCODING, 0)
		}},
		{"policy asked for twice", func(b *uplinkv1.Batch) *uplinkv1.Down {
			return rejectDown(b, uplinkv1.RejectCode_REJECT_CODE_POLICY_UNKNOWN, 0)
		}},
		{"retry of what was not sent", func(b *uplinkv1.Batch) *uplinkv1.Down {
			return &uplinkv1.Down{Message: &uplinkv1.Down_RetryAfter{RetryAfter: &uplinkv1.RetryAfter{Epoch: b.Epoch, FirstSeq: 5}}}
		}},
		{"second welcome", func(*uplinkv1.Batch) *uplinkv1.Down { return &uplinkv1.Down{Message: &uplinkv1.Down_Welcome{}} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, c := newPair(t, func(p *pair) {
				p.gw.onUp = func(up *uplinkv1.Up, send func(*uplinkv1.Down)) (bool, error) {
					if b := up.GetBatch(); b != nil {
						send(tt.down(b))
						return true, nil
					}
					return false, nil
				}
			})
			for i := range 10 {
				p.src.add(record(i), stampOf(0))
			}
			start(t, c)
			until(t, "a second stream", func() bool { s := c.Status(); return s.Reconnects >= 2 && s.Reason == ReasonProtocol })
			if p.src.left() != 10 || len(p.src.refused) != 0 {
				t.Errorf("left %d, refused %v; want all 10 kept", p.src.left(), p.src.refused)
			}
		})
	}
}

func TestWelcomeIsBelievedInPart(t *testing.T) {
	old, now := spool.Epoch{1}, spool.Epoch{2}
	c := New(newMemory(t), Options{})
	greet := func(through uint64) *pump {
		p := newPump(c, nil)
		if err := p.greet(&uplinkv1.Welcome{Acked: []*uplinkv1.AckedEpoch{
			{Epoch: old[:], ThroughSeq: through}, {Epoch: now[:], ThroughSeq: through},
		}}, []spool.Epoch{old, now}); err != nil {
			t.Fatalf("greet() = %v", err)
		}
		return p
	}
	if p := greet(8); p.have[old] != 8 || p.have[now] != 0 {
		t.Errorf("have = %v; want 8 of the old epoch, 0 of which nothing was sent", p.have)
	}
	c.newestSent = 5
	if p := greet(8); p.have[now] != 5 {
		t.Errorf("have = %v; want 5: no more was sent", p.have)
	}
	if p := greet(3); p.have[now] != 3 {
		t.Errorf("have = %v; want 3", p.have)
	}
	p := newPump(c, nil)
	err := p.greet(&uplinkv1.Welcome{Acked: []*uplinkv1.AckedEpoch{{Epoch: []byte{1}}}}, nil)
	if !errors.Is(err, errProtocol) {
		t.Errorf("greet of a short epoch = %v; want a protocol error", err)
	}
}

func TestWhatTheGatewayHasIsNotSent(t *testing.T) {
	p, c := newPair(t, func(p *pair) { p.o.MaxBatchEvents = 10 })
	for i := range 30 {
		p.src.add(record(i), stampOf(0))
	}
	for i := range 20 {
		p.gw.put(spool.Epoch{1}, uint64(i+1), record(i))
	}
	p.src.reopen()
	p.src.add(record(1), stampOf(0))
	start(t, c)
	until(t, "empty source", func() bool { return p.src.left() == 0 })
	if p.gw.again != 0 || p.gw.count() != 31 {
		t.Errorf("came again %d, stored %d; want 0, 31", p.gw.again, p.gw.count())
	}
}

func TestLossesAreSaidWhenTheyChange(t *testing.T) {
	src := &losing{memory: newMemory(t)}
	f := &feeder{src: src}
	if got := f.losses(); len(got) != 0 {
		t.Errorf("losses() = %v; want none", got)
	}
	src.n = 3
	if got := f.losses(); len(got) != 1 || got[0].Count != 3 {
		t.Errorf("losses() = %v; want 3", got)
	}
	if got := f.losses(); got != nil {
		t.Errorf("losses() = %v; want nil: nothing new", got)
	}
}

type losing struct {
	*memory
	n uint64
}

func (l *losing) Losses() []*eventv1.Loss {
	if l.n == 0 {
		return nil
	}
	return []*eventv1.Loss{{Reason: eventv1.LossReason_LOSS_REASON_DISK, Count: l.n}}
}

func TestAckDoesNotCoverWhatWasSentAgain(t *testing.T) {
	e := spool.Epoch{1}
	fs := flights{
		{epoch: e, first: 1, count: 10, state: sent, order: 3}, // put off, then sent again
		{epoch: e, first: 11, count: 10, state: sent, order: 2},
		{epoch: e, first: 21, count: 10, state: waiting},
	}
	if n := fs.ack(e, 20); n != 10 || fs[0].state != sent || fs[1].state != acked {
		t.Errorf("ack(20) = %d, states %d %d; want 10, sent, acked", n, fs[0].state, fs[1].state)
	}
	if n := fs.ack(e, 15); n != 0 {
		t.Errorf("ack(15) = %d; want 0: it ends in the middle of a batch", n)
	}
	if n := fs.ack(e, 30); n != 0 || fs[2].state != waiting {
		t.Errorf("ack(30) = %d; want 0: not sent", n)
	}
	if n := fs.ack(e, 10); n != 10 || fs[0].state != acked {
		t.Errorf("ack(10) = %d; want 10", n)
	}
}

func TestCumulativeAck(t *testing.T) {
	var mu sync.Mutex
	seen := 0
	p, c := newPair(t, func(p *pair) {
		p.o.MaxBatchEvents = 10
		p.gw.onUp = func(up *uplinkv1.Up, send func(*uplinkv1.Down)) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			b := up.GetBatch()
			if b == nil {
				return false, nil
			}
			p.gw.keep(b)
			if seen++; seen%4 == 0 {
				send(ackDown(b.Epoch, b.FirstSeq+uint64(b.Count)-1))
			}
			return true, nil
		}
	})
	for i := range 80 {
		p.src.add(record(i), stampOf(0))
	}
	start(t, c)
	until(t, "empty source", func() bool { return p.src.left() == 0 })
	if c.Status().EventsAcked != 80 {
		t.Errorf("acked %d; want 80", c.Status().EventsAcked)
	}
}
