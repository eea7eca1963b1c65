package identity

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"
)

const (
	// filePoll is how often the token file is looked for. A notification would
	// come sooner; nobody waits for it.
	filePoll = 30 * time.Second

	awayMin, awayMax       = 2 * time.Second, 5 * time.Minute
	refusedMin, refusedMax = 15 * time.Minute, 6 * time.Hour
)

// EnsureEnrolled returns the identity of this device and enrols it first if it
// has none. It goes on trying until it has one or ctx ends: a laptop may start
// before its network, its gateway or its token file is there. A token that was
// refused is tried again only after a long while, or when the file changes.
func EnsureEnrolled(ctx context.Context, req Request, log *slog.Logger) (*Identity, error) {
	e := ensurer{req: req, log: log, away: backoff{min: awayMin, max: awayMax}, refused: backoff{min: refusedMin, max: refusedMax}}
	for {
		id, err := Load(req.Dir)
		if err == nil || !errors.Is(err, ErrNotEnrolled) && !errors.Is(err, ErrDamaged) {
			return id, err
		}
		if req.Token == nil && (req.TokenFile == "" || req.TokenFile == "-") {
			return nil, err // nothing to enrol with
		}
		seen := stampOf(req.TokenFile)
		id, err = Enroll(ctx, req, log)
		if req.Report != nil {
			req.Report(err)
		}
		if err == nil {
			return id, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := e.wait(ctx, err, seen); err != nil {
			return nil, err
		}
	}
}

type ensurer struct {
	req           Request
	log           *slog.Logger
	away, refused backoff
	said          string // what was logged last
}

// wait says what went wrong, once, and returns when it is time to try again.
func (e *ensurer) wait(ctx context.Context, err error, seen stamp) error {
	var pause time.Duration
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.say("waiting for the token file", nil)
		pause = filePoll
	case errors.Is(err, ErrTokenRefused):
		e.say("enrolment refused", err)
		pause = e.refused.next()
	default:
		// A wrong certificate counts as away: it may be the sign-in page of
		// a hotel.
		e.say("enrolment did not work, will go on trying", err)
		pause = e.away.next()
	}
	for pause > 0 {
		step := min(pause, filePoll)
		if err := sleep(ctx, step); err != nil {
			return err
		}
		pause -= step
		if e.req.Token == nil && stampOf(e.req.TokenFile) != seen {
			e.away.reset()
			e.refused.reset()
			return nil
		}
	}
	return nil
}

func (e *ensurer) say(msg string, err error) {
	text := msg
	if err != nil {
		text += err.Error()
	}
	if e.said == text {
		return
	}
	e.said = text
	if err == nil {
		e.log.Info(msg, "token_file", e.req.TokenFile)
		return
	}
	e.log.Warn(msg, "err", err)
}

// stamp tells whether a file has changed.
type stamp struct {
	at   time.Time
	size int64
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size()}
}

// backoff makes pauses with full jitter: each is random, between min and a
// ceiling that doubles up to max.
type backoff struct {
	min, max time.Duration
	ceiling  time.Duration
}

func (b *backoff) next() time.Duration {
	b.ceiling = min(max(2*b.ceiling, 2*b.min), b.max)
	return b.min + rand.N(b.ceiling-b.min+1)
}

func (b *backoff) reset() { b.ceiling = 0 }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
