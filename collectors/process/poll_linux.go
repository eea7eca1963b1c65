package process

import (
	"context"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

const (
	// pollEvery: a look at the list of pids costs well under a millisecond, and
	// a program that lives for less than five seconds is rarely one that a
	// person waits for. Shorter looks buy wake-ups, not much truth.
	pollEvery = 5 * time.Second
	// usageLooks is how many looks pass between two readings of all figures.
	usageLooks = 12
	// settled: a younger process may still be between fork and exec, with the
	// program and the account of its parent. The next look takes it.
	settled = int64(100 * time.Millisecond)
)

// poll is the rung POLL: it compares /proc with the last look. Processes that
// live for less than the interval are not seen, and how one ended is not known.
type poll struct {
	env   collectors.Env
	every time.Duration
}

func openPoll(env collectors.Env) (source, error) {
	// Only a test of whether /proc is there.
	if _, err := newWatch(env, nil, eventv1.Rung_RUNG_POLL).proc.Pids(); err != nil {
		return nil, err
	}
	return &poll{env, pollEvery}, nil
}

func (p *poll) run(ctx context.Context, emit collectors.Emit) error {
	w := newWatch(p.env, emit, eventv1.Rung_RUNG_POLL)
	w.settle = settled
	if err := w.scan(true, true); err != nil {
		return err
	}
	ticker := time.NewTicker(p.every)
	defer ticker.Stop()
	for looks := 1; ; looks++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := w.scan(looks%usageLooks == 0, false); err != nil {
				return err
			}
		}
	}
}
