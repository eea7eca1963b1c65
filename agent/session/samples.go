package session

import "time"

// sample is what a system says when it is asked, where it tells nothing by itself.
type sample struct {
	front program       // zero: nothing
	quiet time.Duration // since the last input
	away  bool          // locked, or another session is on the screen
}

// samples turns samples into what a desktop tells: changes.
type samples struct {
	want  Wants
	lag   time.Duration
	begun bool
	last  sample
	idle  bool
}

// The pace of asking. A change of focus is told at most askFocus late, which is as
// often too much for one program as too little for another; input that comes again
// at most askIdle late.
const (
	askFocus = 2 * time.Second
	askIdle  = 10 * time.Second
)

// wait returns when to ask again. Who is away or idle changes no focus.
func (s *samples) wait() time.Duration {
	if s.want.Focus && !s.idle && !s.last.away {
		return askFocus
	}
	return askIdle
}

// take calls send with what changed since the last sample.
func (s *samples) take(now sample, send func(event)) {
	if now.away != s.last.away {
		if now.away {
			send(event{kind: suspend})
		} else {
			send(event{kind: resume})
		}
	}
	if s.want.Focus && now.front != s.last.front {
		send(event{kind: focus, front: now.front})
	}
	idleNow := now.quiet >= s.lag
	switch {
	case !s.begun:
		send(event{kind: answers})
		if idleNow {
			send(event{kind: idle, quiet: now.quiet})
		}
	case idleNow && !s.idle:
		send(event{kind: idle, quiet: now.quiet})
	case !idleNow && s.idle:
		send(event{kind: resumed})
	}
	s.begun, s.last, s.idle = true, now, idleNow
}
