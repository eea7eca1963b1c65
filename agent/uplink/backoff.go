package uplink

import "time"

// backoff says how long to wait before the next attempt. Only durations come in
// and go out, so that a clock that is set does not matter.
type backoff struct {
	base, cap, first time.Duration
	rand             func(n int64) int64
	failures         int
}

// next returns the pause after an attempt. A healthy one, or one that the
// gateway asked to end, forgets the failures, and its pause is spread over the
// first jitter: a restart of the gateway cuts every stream at the same moment.
//
// Otherwise the pause is full jitter: anything up to base, twice base, and so
// on. At the cap it is between half and one and a half of the cap. Jitter that
// is cut off at the cap, or that lets many agents return at its end, makes a
// fleet come back in one window.
func (b *backoff) next(healthy bool, drain time.Duration) time.Duration {
	if healthy || drain > 0 {
		b.failures = 0
		return drain + b.upTo(b.first)
	}
	ceiling := b.base << min(b.failures, 30)
	if ceiling <= 0 || ceiling >= b.cap {
		return b.cap/2 + b.upTo(b.cap)
	}
	b.failures++
	return b.upTo(ceiling)
}

func (b *backoff) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(b.rand(int64(d)))
}
