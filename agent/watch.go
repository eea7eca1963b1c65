package agent

import (
	"slices"
	"strings"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// maxUnread bounds the events that wait for a person who watches.
const maxUnread = 256

// watcher is a person who watches live events pass the filter.
type watcher struct {
	who    view.Caller
	before bool
	out    chan view.Shown
	missed atomic.Uint64
}

// watch lets w see events from now on; the result ends that.
func (p *pipeline) watch(w *watcher) (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers = append(p.watchers, w)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.watchers = slices.DeleteFunc(p.watchers, func(o *watcher) bool { return o == w })
	}
}

// tell shows an event to those who watch and may see it. It never waits for
// them. The caller holds mu.
func (p *pipeline) tell(raw *eventv1.Event, c privacy.Cleared, ok bool) {
	var out *eventv1.Event
	if ok {
		out = &eventv1.Event{}
		if proto.Unmarshal(c.AppendTo(nil), out) != nil {
			return
		}
	}
	for _, w := range p.watchers {
		filtered, before := maySee(w.who, raw, out)
		if before = before && w.before; !filtered || out == nil && !before {
			continue
		}
		s := view.Show(raw, out, before)
		if !w.who.Root() {
			delete(s.Before, "serial") // only root may read it from the system
		}
		select {
		case w.out <- s:
		default:
			w.missed.Add(1)
		}
	}
}

// maySee says what a person may see of a live event: her own and the device's,
// before and after the filter. What system accounts do is of the device, but
// raw it can name somebody. Root sees what leaves of everybody, and raw values
// of nobody else.
func maySee(who view.Caller, raw, out *eventv1.Event) (filtered, before bool) {
	if !who.Known {
		return false, false
	}
	_, sid, ofPerson := view.Owner(raw)
	if !ofPerson {
		return true, true
	}
	if sid == who.ID() {
		return true, true
	}
	if out == nil {
		return false, false
	}
	name, _, _ := view.Owner(out)
	return who.Root() || ofSystem(name), false
}

// ofSystem reports whether a filtered user name is a role, which names nobody.
func ofSystem(name string) bool { return strings.HasPrefix(name, "@") }
