// Package collectors defines what a collector is. Each collector lives in a
// folder of its own below this one and knows only this package and the event
// schema: not the filter, the spool, the settings or the other collectors.
package collectors

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// A collector returns one of these, wrapped with what is missing, where it
// cannot work here. Both are facts, not failures: the agent shows them as the
// collector's state and goes on.
var (
	ErrUnsupported = errors.New("not supported here")
	ErrDenied      = errors.New("denied by the system")
)

// A Collector watches one source and emits what it sees.
type Collector interface {
	// Run emits events until ctx is done, then releases its source and returns
	// nil. ErrUnsupported and ErrDenied end it for good; after any other error
	// the agent starts it again, later and later.
	Run(ctx context.Context, emit Emit) error
}

// Emit hands one event to the pipeline, which filters and stores it before it
// returns and keeps nothing of it: the caller may use the event again. It is
// safe for concurrent use and never waits for the network.
type Emit func(*eventv1.Event)

// Spec declares a collector.
type Spec struct {
	Name    string            // its section in the settings, lower_snake_case
	Doc     string            // one line for the documents and for "collectors"
	Classes []privacyv1.Class // what its events are governed by; if the policy drops all of them it is not started
	Rungs   []eventv1.Rung    // the sources that it can use on this system, best first; empty: none
	New     func(Env) (Collector, error)
}

// Env is all that a collector may take from the outside world.
type Env struct {
	Log   *slog.Logger
	Stats *Stats
	Rung  eventv1.Rung // a forced source; RUNG_UNSPECIFIED: the best that works
	// Keeps reports whether the policy lets anything of a class through. What it
	// does not let through need not be read at the source.
	Keeps    func(privacyv1.Class) bool
	ProcRoot string // where /proc is found; "" means "/proc"
	SysRoot  string // where /sys is found; "" means "/sys"
	Asset    Asset
	Version  string // of this agent
	Memory   Memory // nil: none, as where the events go nowhere
	// Settled is closed once the process has given up the rights that it no longer
	// needs; nil: it gives up none. A thread that gives up more waits for it: Go ends
	// a process of which the threads give a system call for all different answers.
	Settled <-chan struct{}
	// Names is where the collector of names tells the others what it saw; nil: nobody asks.
	Names *Names
	// Sessions is how what goes on in people's sessions is seen. nil: no service
	// runs here, or the system needs none.
	Sessions Sessions
}

// Sessions hears what the helpers in people's sessions tell. Both methods block
// until ctx is done, and put into env.Stats why nothing comes where nothing does.
type Sessions interface {
	Focus(ctx context.Context, env Env, take func(Focused)) error
	Activity(ctx context.Context, env Env, take func(Active)) error
}

// Focused says for how long a program was in front, up to now.
type Focused struct {
	UID  uint32        // of the person, as the kernel says; on Windows the session's number
	PID  uint32        // 0: the display does not tell; what stands here is the helper's word
	App  string        // what the display calls the program
	Span time.Duration // at most some minutes
}

// Active says for how long a person used the device, up to some moments ago.
type Active struct {
	UID  uint32 // as in Focused
	Span time.Duration
}

// A Memory keeps a few bytes of one collector over restarts of the agent, so that
// it can tell what changed meanwhile. The agent forgets them when the policy or
// the settings turn the collector off.
type Memory interface {
	Load() ([]byte, error) // nothing kept: nil and no error
	Save([]byte) error     // at most MaxMemory bytes
}

// MaxMemory bounds what a collector keeps, in bytes.
const MaxMemory = 8 << 20

// Asset is what IT wrote about the device in its settings.
type Asset struct {
	ID   string
	Tags []string
}

// Stats is what a collector tells about itself while it runs. It is safe for
// concurrent use.
type Stats struct {
	rung atomic.Int32
	lost atomic.Uint64
	note atomic.Value // string
}

// SetRung says which source is in use.
func (s *Stats) SetRung(r eventv1.Rung) { s.rung.Store(int32(r)) }

// Rung returns the source in use.
func (s *Stats) Rung() eventv1.Rung { return eventv1.Rung(s.rung.Load()) }

// SetNote says in plain words why the collector runs and sees less than it could,
// or nothing yet; "" where all is well. It never holds a value of an event.
func (s *Stats) SetNote(note string) { s.note.Store(note) }

// Note returns that.
func (s *Stats) Note() string {
	note, _ := s.note.Load().(string)
	return note
}

// AddLost counts things that happened and were not seen.
func (s *Stats) AddLost(n uint64) { s.lost.Add(n) }

// Lost returns that count.
func (s *Stats) Lost() uint64 { return s.lost.Load() }

// At returns t as events carry it.
func At(t time.Time) int64 { return t.UnixMilli() }
