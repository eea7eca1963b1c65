package access

import (
	"sync"
	"time"
)

// bucket lets burst calls pass at once and rate calls a second after that.
type bucket struct {
	tokens float64
	last   time.Time
}

func (b *bucket) take(now time.Time, rate, burst float64) bool {
	if b.last.IsZero() {
		b.tokens = burst
	} else if d := now.Sub(b.last).Seconds(); d > 0 {
		b.tokens = min(burst, b.tokens+d*rate)
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// pace is a rate and a burst.
type pace struct{ perSecond, burst float64 }

// limiter bounds calls, all together and each connection by itself.
type limiter struct {
	all, each pace

	mu    sync.Mutex
	total bucket             // guarded by mu
	conns map[string]*bucket // guarded by mu
}

// maxConns bounds the connections that a limiter remembers. One that is
// forgotten starts with a full bucket; the bound on all of them still holds.
const maxConns = 4096

func newLimiter(all, each pace) *limiter {
	return &limiter{all: all, each: each, conns: map[string]*bucket{}}
}

// allow says whether one more call of that connection may pass.
func (l *limiter) allow(conn string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.conns[conn]
	if b == nil {
		if len(l.conns) >= maxConns {
			l.forget(now)
		}
		b = &bucket{}
		l.conns[conn] = b
	}
	// The connection is asked first: a greedy one must not use up what is
	// there for all.
	return b.take(now, l.each.perSecond, l.each.burst) && l.total.take(now, l.all.perSecond, l.all.burst)
}

// forget drops the connections whose buckets are full again, and any half of
// the rest if that frees nothing.
func (l *limiter) forget(now time.Time) {
	refill := time.Duration(l.each.burst / l.each.perSecond * float64(time.Second))
	for k, b := range l.conns {
		if now.Sub(b.last) >= refill {
			delete(l.conns, k)
		}
	}
	if len(l.conns) < maxConns {
		return
	}
	for k := range l.conns {
		if len(l.conns) <= maxConns/2 {
			return
		}
		delete(l.conns, k)
	}
}
