package collectors

import (
	"net/netip"
	"sync"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// Names knows what the other ends of connections are called, as far as it was
// seen: by the name that a connection said itself, else by what its process, or
// any, looked up. One collector enters, others ask. It is safe for concurrent
// use, a nil one knows nothing, and it is bounded in number and age.
type Names struct {
	mu      sync.Mutex // guards what follows
	flows   recent[Flow, Name]
	own     recent[lookup, Name] // by the process that asked
	anyones recent[netip.Addr, Name]
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

type lookup struct {
	process uint64
	addr    netip.Addr
}

const (
	maxNames = 2048      // of each of three kinds
	nameAge  = time.Hour // a connection asks when it begins, or soon after
)

// Called enters the name that a connection said.
func (n *Names) Called(f Flow, name Name) {
	if n == nil || name.Domain == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flows.put(f, name)
}

// Answered enters an address that stands for a name by DNS. process is the start
// key of the one that asked, 0 where it is not known. It reports whether the
// address had another name.
func (n *Names) Answered(process uint64, addr netip.Addr, domain string) (ambiguous bool) {
	if n == nil || domain == "" {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	named := func(before Name, known bool) Name {
		other := known && (before.Ambiguous || before.Domain != domain)
		return Name{domain, eventv1.NameSource_NAME_SOURCE_DNS, other}
	}
	if process != 0 {
		before, known := n.own.get(lookup{process, addr})
		now := named(before, known)
		n.own.put(lookup{process, addr}, now)
		ambiguous = now.Ambiguous
	}
	before, known := n.anyones.get(addr)
	now := named(before, known)
	n.anyones.put(addr, now)
	return ambiguous || process == 0 && now.Ambiguous
}

// Find returns the name of a connection's other end: what it said itself, else
// what its process looked up last, else what anybody did. process is a start
// key, or 0.
func (n *Names) Find(f Flow, process uint64) (Name, bool) {
	if n == nil {
		return Name{}, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if name, ok := n.flows.get(f); ok {
		return name, true
	}
	if name, ok := n.own.get(lookup{process, f.Remote.Addr()}); ok {
		return name, true
	}
	return n.anyones.get(f.Remote.Addr())
}

// Looked reports whether a name was looked up that an address now stands for.
func (n *Names) Looked(process uint64, addr netip.Addr, domain string) bool {
	if n == nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if name, ok := n.own.get(lookup{process, addr}); ok && name.Domain == domain {
		return true
	}
	name, ok := n.anyones.get(addr)
	return ok && name.Domain == domain
}

// Forget forgets everything: nobody enters any more.
func (n *Names) Forget() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flows, n.own, n.anyones = recent[Flow, Name]{}, recent[lookup, Name]{}, recent[netip.Addr, Name]{}
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
