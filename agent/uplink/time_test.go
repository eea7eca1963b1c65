package uplink

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/test/bufconn"

	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// bubble runs a client and a gateway over memory, in the time of synctest.
type bubble struct {
	t    *testing.T
	ca   *authority
	gw   *receiver
	src  *memory
	o    Options
	c    *Client
	mu   sync.Mutex
	l    *bufconn.Listener // guarded by mu; nil while the gateway is down
	stop func()
	done func()
}

func newBubble(t *testing.T, change func(*bubble)) *bubble {
	b := &bubble{t: t, ca: newAuthority(t), gw: newReceiver(t), src: newMemory(t)}
	cert := b.ca.issue(t, "agent", later())
	b.o = Options{
		Address: "gw.test:8443", TLS: b.ca.clientTLS(cert), AgentVersion: "1",
		Dialer: func(ctx context.Context, _ string) (net.Conn, error) {
			b.mu.Lock()
			l := b.l
			b.mu.Unlock()
			if l == nil {
				return nil, context.DeadlineExceeded
			}
			return l.DialContext(ctx)
		},
	}
	if change != nil {
		change(b)
	}
	b.c = New(b.src, b.o)
	b.up()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.c.Run(ctx) }()
	b.done = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v; want nil", err)
		}
		b.down()
		synctest.Wait()
	}
	return b
}

func (b *bubble) up() {
	l := bufconn.Listen(64 << 10)
	b.stop = serve(b.t, b.gw, b.ca, l, nil)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.l = l
}

func (b *bubble) down() {
	b.mu.Lock()
	b.l = nil
	b.mu.Unlock()
	b.stop()
}

// sleep lets time pass and everything come to rest, so that the test may look.
func (b *bubble) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestIdleClientDoesNotWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, nil)
		b.sleep(24 * time.Hour)
		if s := b.c.Status(); b.src.nexts != 1 || s.Reconnects != 0 || !s.Connected {
			t.Errorf("a day of silence: %d calls of Next, status %+v; want 1, one connection", b.src.nexts, s)
		}
		b.done()
	})
}

func TestLingerGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, nil)
		b.sleep(time.Second)
		for i := range 600 { // a minute at 10 a second
			b.src.add(record(i), stampOf(0))
			time.Sleep(100 * time.Millisecond)
		}
		b.sleep(2 * time.Second)
		if b.src.left() != 0 || b.gw.batchCount() > 61 || b.gw.batchCount() < 50 {
			t.Errorf("left %d, %d batches; want 0, about one a second", b.src.left(), b.gw.batchCount())
		}
		b.done()
	})
}

func TestFullBatchDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, func(b *bubble) { b.o.Linger = time.Hour })
		b.sleep(time.Second)
		for i := range 512 {
			b.src.mu.Lock()
			b.src.push(entry{record: record(i), stamp: stampOf(0)})
			b.src.mu.Unlock()
		}
		b.sleep(time.Hour + time.Second)
		for i := range 512 * 3 {
			b.src.add(record(i), stampOf(0))
		}
		b.sleep(time.Hour + time.Second)
		if b.src.left() != 0 || b.gw.batchCount() != 4 {
			t.Errorf("left %d, %d batches; want 0, 4", b.src.left(), b.gw.batchCount())
		}
		b.done()
	})
}

// TestNoLinger: what is there is sent at once, and together.
func TestNoLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, func(b *bubble) { b.o.Linger = -1 })
		b.sleep(time.Second)
		b.src.mu.Lock() // one flush
		for i := range 11 {
			b.src.push(entry{record: record(i), stamp: stampOf(0)})
		}
		b.src.mu.Unlock()
		b.sleep(time.Millisecond)
		if b.src.left() != 0 || b.gw.batchCount() != 1 {
			t.Errorf("left %d, %d batches; want 0, 1", b.src.left(), b.gw.batchCount())
		}
		b.done()
	})
}

func TestSlowAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var codes []uplinkv1.DirectiveCode
		directive := func(c uplinkv1.DirectiveCode) *uplinkv1.Down {
			return &uplinkv1.Down{Message: &uplinkv1.Down_Directive{Directive: &uplinkv1.Directive{Code: c}}}
		}
		b := newBubble(t, func(b *bubble) {
			b.o.MaxBatchEvents = 10
			b.gw.limits = &uplinkv1.Limits{WindowBatches: 1}
			b.o.OnDirective = func(c uplinkv1.DirectiveCode) { codes = append(codes, c) }
			first := true
			b.gw.onUp = func(up *uplinkv1.Up, send func(*uplinkv1.Down)) (bool, error) {
				if up.GetBatch() != nil && first {
					first = false
					send(directive(uplinkv1.DirectiveCode_DIRECTIVE_CODE_SLOW))
					send(directive(77))
					send(&uplinkv1.Down{}) // of a newer protocol
				}
				if up.GetBatch() != nil && up.GetBatch().FirstSeq == 51 {
					send(directive(uplinkv1.DirectiveCode_DIRECTIVE_CODE_RESUME))
				}
				return false, nil
			}
		})
		for i := range 200 {
			b.src.add(record(i), stampOf(0))
		}
		b.sleep(65 * time.Second)
		if n := b.gw.batchCount(); n < 2 || n > 4 {
			t.Errorf("%d batches in 65 s at the slow pace; want few", n)
		}
		b.sleep(10 * time.Minute)
		if b.src.left() != 0 || len(codes) != 2 {
			t.Errorf("left %d, directives %v; want 0, slow and resume", b.src.left(), codes)
		}
		b.done()
	})
}

func TestDrainAndRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked time.Time
		drained := false
		b := newBubble(t, func(b *bubble) {
			b.gw.onUp = func(up *uplinkv1.Up, send func(*uplinkv1.Down)) (bool, error) {
				batch := up.GetBatch()
				switch {
				case batch == nil:
				case asked.IsZero():
					asked = time.Now()
					send(&uplinkv1.Down{Message: &uplinkv1.Down_RetryAfter{RetryAfter: &uplinkv1.RetryAfter{
						Epoch: batch.Epoch, FirstSeq: batch.FirstSeq, AfterMs: 60_000}}})
					return true, nil
				case !drained:
					drained = true
					if d := time.Since(asked); d < time.Minute || d > 75*time.Second {
						t.Errorf("came again after %v; want 60 to 75 s", d)
					}
					send(&uplinkv1.Down{Message: &uplinkv1.Down_Drain{Drain: &uplinkv1.Drain{AfterMs: 120_000}}})
				}
				return false, nil
			}
		})
		b.src.add(record(1), stampOf(0))
		b.sleep(80 * time.Second)
		s := b.c.Status()
		if s.Connected || s.Reason != ReasonDrain || s.EventsAcked != 1 {
			t.Errorf("status = %+v; want drained, with the record acknowledged", s)
		}
		b.sleep(3 * time.Minute)
		if !b.c.Status().Connected {
			t.Errorf("status = %+v; want connected again", b.c.Status())
		}
		b.done()
	})
}

func TestSilentGatewayIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, func(b *bubble) {
			b.gw.onUp = func(*uplinkv1.Up, func(*uplinkv1.Down)) (bool, error) { return true, nil }
		})
		b.src.add(record(1), stampOf(0))
		b.sleep(2*time.Minute + 3*time.Second)
		if s := b.c.Status(); s.Reconnects != 1 || b.src.left() != 1 {
			t.Errorf("status = %+v, left %d; want one reconnect, nothing freed", s, b.src.left())
		}
		b.done()
	})
}

func TestKickEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, func(b *bubble) { b.o.Rand = func(n int64) int64 { return n - 1 } })
		synctest.Wait()
		b.down()
		b.sleep(2 * time.Hour)
		b.src.add(record(1), stampOf(0))
		b.up()
		b.c.Kick()
		b.sleep(3 * time.Second)
		if b.src.left() != 0 {
			t.Errorf("left %d three seconds after the kick; want 0", b.src.left())
		}
		b.done()
	})
}

// TestBackoffIsNotResetByAWelcome lets the gateway greet and then hang up.
func TestBackoffIsNotResetByAWelcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, func(b *bubble) {
			b.gw.onUp = func(*uplinkv1.Up, func(*uplinkv1.Down)) (bool, error) { return true, net.ErrClosed }
		})
		b.src.add(record(1), stampOf(0))
		b.sleep(6 * time.Hour)
		if n := b.c.Status().Reconnects; n < 20 || n > 60 {
			t.Errorf("%d streams in 6 h; want about one in 15 min", n)
		}
		b.done()
	})
}

// TestHerd lets a gateway that serves 10,000 agents go away, and counts how they
// come back. Each agent is the pause of the real client, without the stream.
func TestHerd(t *testing.T) {
	const agents = 10_000
	for _, tt := range []struct {
		name   string
		down   time.Duration
		bucket time.Duration
	}{
		{"restart", 0, time.Second},
		{"half an hour", 30 * time.Minute, 10 * time.Second},
		{"a day", 24 * time.Hour, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var mu sync.Mutex
				back := map[int]int{} // by bucket since the gateway is up again
				var last time.Duration
				var wg sync.WaitGroup
				for i := range agents {
					rng := rand.New(rand.NewPCG(uint64(i), 7))
					c := New(nil, Options{Rand: rng.Int64N})
					wg.Go(func() {
						for healthy := true; ; healthy = false {
							if !c.wait(context.Background(), time.Now(), c.backoff.next(healthy, 0)) {
								return
							}
							since := time.Since(began) - tt.down
							if since < 0 {
								continue
							}
							mu.Lock()
							defer mu.Unlock()
							back[int(since/tt.bucket)]++
							last = max(last, since)
							return
						}
					})
				}
				wg.Wait()
				peak, at := 0, 0
				for k, n := range back {
					if n > peak {
						peak, at = n, k
					}
				}
				window := last / tt.bucket
				mean := float64(agents) / float64(window+1)
				t.Logf("all back within %v; peak %d at %v, mean %.0f in %v", last, peak, time.Duration(at)*tt.bucket, mean, tt.bucket)
				if float64(peak) > 2*mean {
					t.Errorf("peak %d; want at most twice the mean of %.0f", peak, mean)
				}
			})
		})
	}
}

// TestThirtyDays lets the gateway restart at random for a month.
func TestThirtyDays(t *testing.T) {
	if testing.Short() {
		t.Skip("short: a month")
	}
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		b := newBubble(t, nil)
		began, n := time.Now(), 0
		for time.Since(began) < 30*24*time.Hour {
			for range 20 + rng.IntN(40) {
				time.Sleep(time.Duration(rng.IntN(600)) * time.Second)
				for range rng.IntN(6) {
					b.src.add(record(n), stampOf(n/100))
					n++
				}
			}
			b.down()
			time.Sleep(time.Duration(rng.IntN(900)) * time.Second)
			b.up()
		}
		b.sleep(time.Hour)
		s := b.c.Status()
		t.Logf("30 days: %d records, %d batches, %d connections", n, b.gw.batchCount(), s.Reconnects)
		if b.src.left() != 0 || b.gw.count() != n {
			t.Errorf("left %d, stored %d; want 0, %d", b.src.left(), b.gw.count(), n)
		}
		b.done()
	})
}
