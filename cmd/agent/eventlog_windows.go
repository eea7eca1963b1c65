package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/windows/svc/eventlog"
)

// eventText returns what the event log of Windows gets instead of a line of the
// agent's log: a number and a fixed text, no value of any kind. Number 0: nothing.
// "service install" registers the source; the numbers are those that EventCreate
// has texts for.
func eventText(message string) (id uint32, text string) {
	switch message {
	case "agent started":
		return 1, "The Discreet agent has started."
	case "agent stopped":
		return 2, "The Discreet agent has stopped."
	case "settings refused":
		return 3, "Settings were refused; what they say keeps its last good form. To see why, run: discreet-agent config validate"
	}
	return 0, ""
}

// repeat is how long one message is not told again: a file with many faults, read
// again and again, must not push out what others wrote.
const repeat = 10 * time.Minute

// eventWriter writes to an event log.
type eventWriter interface {
	Info(id uint32, text string) error
	Warning(id uint32, text string) error
}

// events hands records on, and tells the event log of some of them.
type events struct {
	next slog.Handler
	to   eventWriter
	last *lastTold
}

// lastTold is when each message was told.
type lastTold struct {
	mu sync.Mutex
	at map[uint32]time.Time
}

// openEventLog returns what puts an event log before a handler. Without an event
// log it changes nothing: the agent runs all the same.
func openEventLog(source string) func(slog.Handler) slog.Handler {
	l, err := eventlog.Open(source)
	return func(next slog.Handler) slog.Handler {
		if err != nil {
			return next
		}
		return &events{next, l, &lastTold{at: map[uint32]time.Time{}}}
	}
}

// Enabled says yes to whatever the event log might want, whatever log.level says.
func (e *events) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || e.next.Enabled(ctx, l)
}

// Handle tells the event log, once in a while, and hands the record on.
func (e *events) Handle(ctx context.Context, r slog.Record) error {
	var err error
	if id, text := eventText(r.Message); id != 0 && e.last.due(id, r.Time) {
		if r.Level > slog.LevelInfo {
			err = e.to.Warning(id, text)
		} else {
			err = e.to.Info(id, text)
		}
	}
	if e.next.Enabled(ctx, r.Level) {
		err = errors.Join(err, e.next.Handle(ctx, r))
	}
	return err
}

func (l *lastTold) due(id uint32, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.at[id]; ok && now.Sub(at) < repeat {
		return false
	}
	l.at[id] = now
	return true
}

// WithAttrs keeps attributes for the next handler; the event log takes none.
func (e *events) WithAttrs(a []slog.Attr) slog.Handler {
	return &events{e.next.WithAttrs(a), e.to, e.last}
}

// WithGroup is as WithAttrs.
func (e *events) WithGroup(name string) slog.Handler {
	return &events{e.next.WithGroup(name), e.to, e.last}
}
