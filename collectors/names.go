package collectors

import (
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// Names knows what the other ends of connections are called, as far as it was
// seen: by the name that a connection said itself, else by what its process, or
// any, looked up before. One collector enters, others ask. Times are nanoseconds
// since 1970. It is safe for concurrent use, a nil one knows nothing, and it is
// bounded in number and age.
type Names struct {
	entered atomic.Int64 // all that happened before is entered; 0: nobody enters
	mu      sync.Mutex   // guards what follows
	flows   recent[Flow, called]
	own     recent[lookup, answers] // by the process that asked
	anyones recent[netip.Addr, answers]
}

// Flow is one connection as both of its observers see it.
type Flow struct {
	Transport eventv1.Transport
	Local     uint16 // the port here
	Remote    netip.AddrPort
}

// Name is what the other end of a connection is called.
type Name struct {
	Domain string
	Source eventv1.NameSource
	// The address has had other names too, or the name may be a cover.
	Ambiguous bool
}

type called struct {
	Name
	at int64
}

type lookup struct {
	process uint64
	addr    netip.Addr
}

const (
	maxNames    = 2048      // of each of three kinds
	nameAge     = time.Hour // a connection asks when it begins, or soon after
	maxAnswers  = 32        // for one address, within
	askedWithin = 10 * time.Second
)

// answers are the last names that an address stood for, the oldest first: those
// that a connection may still ask about, of which the end is read later than the
// answer. The list is never written again: a longer one is a new one.
type answers struct {
	list   []answer
	shared bool // it had two names at least
}

type answer struct {
	domain string
	at     int64
}

// with returns the list and one name more, without those that were followed by
// another long ago.
func (a answers) with(domain string, at int64) answers {
	n := len(a.list)
	if n > 0 && a.list[n-1].domain == domain {
		return a // it still does
	}
	from := max(0, n-(maxAnswers-1))
	for from < n-1 && a.list[from+1].at < at-int64(askedWithin) {
		from++
	}
	longer := make([]answer, 0, n-from+1)
	return answers{append(append(longer, a.list[from:]...), answer{domain, at}), n > 0}
}

// before returns the last name that was there at a time.
func (a answers) before(at int64) (Name, bool) {
	for i := len(a.list) - 1; i >= 0; i-- {
		if a.list[i].at <= at {
			return Name{a.list[i].domain, eventv1.NameSource_NAME_SOURCE_DNS, a.shared}, true
		}
	}
	return Name{}, false
}

func (a answers) last() string {
	if len(a.list) == 0 {
		return ""
	}
	return a.list[len(a.list)-1].domain
}

// Called enters the name that a connection said at a time.
func (n *Names) Called(f Flow, at int64, name Name) {
	if n == nil || name.Domain == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flows.put(f, called{name, at})
}

// Answered enters an address that stands for a name by DNS since a time. process
// is the start key of the one that asked, 0 where it is not known. It reports
// whether the address had another name.
func (n *Names) Answered(process uint64, addr netip.Addr, at int64, domain string) (ambiguous bool) {
	if n == nil || domain == "" {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if process != 0 {
		before, _ := n.own.get(lookup{process, addr})
		now := before.with(domain, at)
		n.own.put(lookup{process, addr}, now)
		ambiguous = now.shared
	}
	before, _ := n.anyones.get(addr)
	now := before.with(domain, at)
	n.anyones.put(addr, now)
	return ambiguous || process == 0 && now.shared
}

// Find returns the name of the other end of a connection that began between two
// times: what it said itself since, else what its process had looked up last by
// then, else what anybody had. process is a start key, or 0.
func (n *Names) Find(f Flow, process uint64, from, to int64) (Name, bool) {
	if n == nil {
		return Name{}, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if c, ok := n.flows.get(f); ok && c.at >= from {
		return c.Name, true
	}
	own, _ := n.own.get(lookup{process, f.Remote.Addr()})
	if name, ok := own.before(to); ok {
		return name, true
	}
	all, _ := n.anyones.get(f.Remote.Addr())
	return all.before(to)
}

// Looked reports whether a name was looked up that an address now stands for.
func (n *Names) Looked(process uint64, addr netip.Addr, domain string) bool {
	if n == nil || domain == "" {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	own, _ := n.own.get(lookup{process, addr})
	all, _ := n.anyones.get(addr)
	return own.last() == domain || all.last() == domain
}

// Entered says that all names are entered that were said before a time. It is
// for who enters them, once at least, and then each second.
func (n *Names) Entered(before int64) {
	if n != nil {
		n.entered.Store(before)
	}
}

// Until returns the time before which all names are entered. Where nobody
// enters any, that is for ever.
func (n *Names) Until() int64 {
	if n == nil {
		return math.MaxInt64
	}
	if t := n.entered.Load(); t != 0 {
		return t
	}
	return math.MaxInt64
}

// Forget forgets everything: nobody enters any more.
func (n *Names) Forget() {
	if n == nil {
		return
	}
	n.entered.Store(0)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flows, n.own, n.anyones = recent[Flow, called]{}, recent[lookup, answers]{}, recent[netip.Addr, answers]{}
}

// recent keeps the last entries in two generations: a full one becomes the old
// one, and what was old is forgotten.
type recent[K comparable, V any] struct {
	young, old map[K]V
	since      time.Time
}

func (r *recent[K, V]) put(k K, v V) {
	now := time.Now()
	if len(r.young) >= maxNames/2 || now.Sub(r.since) > nameAge/2 {
		if now.Sub(r.since) > nameAge {
			r.young = nil
		}
		r.old, r.young, r.since = r.young, nil, now
	}
	if r.young == nil {
		r.young = make(map[K]V)
	}
	r.young[k] = v
}

func (r *recent[K, V]) get(k K) (v V, ok bool) {
	if time.Since(r.since) > nameAge {
		return v, false
	}
	if v, ok = r.young[k]; !ok {
		v, ok = r.old[k]
	}
	return v, ok
}
