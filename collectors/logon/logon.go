// Package logon reports when people come and go: sessions that begin and end at
// the console, over ssh or over a remote desktop, that they are locked and
// unlocked, and that the device started, sleeps or wakes.
//
// Where a remote session comes from is not read.
package logon

import (
	"context"
	"sync"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// Spec declares the collector.
var Spec = collectors.Spec{
	Name:    "logon",
	Doc:     "when people log on and off, and that the device started",
	Classes: []privacyv1.Class{privacyv1.Class_LOGONS},
	Rungs:   rungs,
	New:     New,
}

// session is one that a person has open.
type session struct {
	user, sid string
	kind      eventv1.LogonType
	began     time.Time // zero where unknown
	away      bool      // nobody is connected to it
}

// maxSessions bounds the table of sessions; what is beyond is counted as lost.
const maxSessions = 4096

// A source tells which sessions are open, by a name that tells them apart, and
// waits until that may have changed. It is open when it is made.
type source interface {
	sessions() (map[string]session, error)
	wait(ctx context.Context) error // nil too when ctx is done
	booted() time.Time              // zero where unknown
	close()
}

// A teller is a source that is told of what sessions do not show. locks blocks
// until ctx is done, or until there is nothing to be told here.
type teller interface {
	locks(ctx context.Context, note func(string), tell func(signal))
}

// signal is a lock or unlock of a session, or that the device sleeps or wakes.
type signal struct {
	kind    eventv1.LogonKind
	session string // its name; "" where it is about the device
}

// Collector reports logons.
type Collector struct {
	env  collectors.Env
	open func(collectors.Env) (source, error)
}

// New returns the collector. It opens nothing.
func New(env collectors.Env) (collectors.Collector, error) { return &Collector{env, open}, nil }

// bootWithin is for how long after the device's start its start is news. An
// agent that is restarted later does not tell it again.
const bootWithin = 5 * time.Minute

// Run reports logons until ctx is done. Sessions that are open already are not
// reported as logons, for it may have been done before; their logoff is.
func (c *Collector) Run(ctx context.Context, emit collectors.Emit) error {
	src, err := c.open(c.env)
	if err != nil {
		return err
	}
	defer src.close()
	c.env.Stats.SetRung(eventv1.Rung_RUNG_NATIVE)
	r := newReporter(emit)
	if boot := src.booted(); !boot.IsZero() && time.Since(boot) < bootWithin {
		r.report(boot, eventv1.LogonKind_LOGON_KIND_BOOT, session{}, 0)
	}
	var before map[string]session
	var listener sync.WaitGroup
	defer listener.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if t, ok := src.(teller); ok {
		listener.Go(func() { t.locks(ctx, c.env.Stats.SetNote, r.told) })
	}
	for first := true; ; first = false {
		now, err := src.sessions()
		if err != nil {
			return err
		}
		c.bound(now)
		r.look(before, now, first)
		before = now
		if err := src.wait(ctx); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

func (c *Collector) bound(sessions map[string]session) {
	for name := range sessions {
		if len(sessions) <= maxSessions {
			return
		}
		delete(sessions, name)
		c.env.Stats.AddLost(1)
	}
}

// reporter makes events, always the same one: Emit keeps nothing of it.
type reporter struct {
	emit collectors.Emit

	mu    sync.Mutex // guards what follows
	open  map[string]session
	event eventv1.Event
	kind  eventv1.Event_Logon
}

// look takes a look at the open sessions.
func (r *reporter) look(before, now map[string]session, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !first {
		r.compare(before, now, time.Now())
	}
	r.open = now
}

// told takes a signal. A session that is not known is no person's: the login
// screen has one too.
func (r *reporter) told(s signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	who, known := r.open[s.session]
	if known || s.session == "" {
		r.report(time.Now(), s.kind, who, 0)
	}
}

func newReporter(emit collectors.Emit) *reporter {
	r := &reporter{emit: emit}
	r.kind.Logon = &eventv1.Logon{User: &eventv1.User{}}
	r.event.Kind = &r.kind
	return r
}

// compare reports what happened between two looks.
func (r *reporter) compare(before, now map[string]session, at time.Time) {
	for name, s := range before {
		if is, open := now[name]; !open || is.user != s.user {
			r.report(at, eventv1.LogonKind_LOGON_KIND_LOGOFF, s, since(s.began, at))
		}
	}
	for name, s := range now {
		was, open := before[name]
		switch {
		case !open || was.user != s.user:
			came := at
			if !s.began.IsZero() && s.began.Before(at) {
				came = s.began
			}
			r.report(came, eventv1.LogonKind_LOGON_KIND_LOGON, s, 0)
		case was.away && !s.away:
			r.report(at, eventv1.LogonKind_LOGON_KIND_CONNECT, s, 0)
		case !was.away && s.away:
			r.report(at, eventv1.LogonKind_LOGON_KIND_DISCONNECT, s, 0)
		}
	}
}

func since(began, at time.Time) time.Duration {
	if began.IsZero() || at.Before(began) {
		return 0
	}
	return at.Sub(began)
}

func (r *reporter) report(at time.Time, kind eventv1.LogonKind, s session, lasted time.Duration) {
	l := r.kind.Logon
	l.Kind, l.Type, l.DurationSeconds = kind, s.kind, uint64(lasted/time.Second)
	l.User.Name, l.User.Sid = s.user, s.sid
	r.event.TimeUnixMs = collectors.At(at)
	r.emit(&r.event)
}
