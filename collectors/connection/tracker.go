package connection

import (
	"net/netip"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// maxLocal bounds what is remembered of the device's own addresses.
const maxLocal = 4096

// tracker joins what the dumps of open sockets say with what is said of each
// that closes. A connection is known by its cookie, which the kernel gives to
// no other until the device restarts.
type tracker struct {
	emit       collectors.Emit
	stats      *collectors.Stats
	names      *collectors.Names // nil: none are known
	flows      map[uint64]*flow
	listeners  map[uint16]*listener
	local      map[netip.Addr]struct{} // own addresses, for they must not leave
	dumps      uint32
	untold     bool // this source never tells of ends: what is missing has ended
	synRetries uint64
	event      eventv1.Event
	kind       eventv1.Event_Connection
}

// listener is a port that is open to others. Its owner is that of connections
// that were gone before a dump saw them.
type listener struct {
	holder
	dump uint32
}

func newTracker(emit collectors.Emit, env collectors.Env, rung eventv1.Rung) *tracker {
	t := &tracker{
		emit:  emit,
		stats: env.Stats,
		names: env.Names,

		flows:      make(map[uint64]*flow),
		listeners:  make(map[uint16]*listener),
		local:      make(map[netip.Addr]struct{}),
		synRetries: 6, // the kernel's default
	}
	t.kind.Connection = &eventv1.Connection{Program: &eventv1.Program{}, User: &eventv1.User{}, Rung: rung}
	t.event.Kind = &t.kind
	return t
}

// begin starts a dump: see follows for each socket, then end.
func (t *tracker) begin() { t.dumps++ }

// see takes one socket of a dump.
func (t *tracker) see(s *socket, protocol uint8, now time.Time) {
	t.own(s.local.Addr())
	if protocol == protocolTCP && s.state == stateListen {
		t.listen(s)
		return
	}
	if s.remote.Port() == 0 {
		return
	}
	f := t.flows[s.cookie]
	if f == nil {
		if len(t.flows) >= maxFlows {
			return
		}
		f = &flow{protocol: protocol, local: s.local, remote: s.remote, holder: holder{inode: s.inode, uid: s.uid}}
		if t.dumps > 1 {
			f.since = now
		} else {
			f.told = s.info // traffic from before the agent is not its news
		}
		t.flows[s.cookie] = f
	}
	f.see(s)
	f.dump, f.missing = t.dumps, time.Time{}
}

func (t *tracker) listen(s *socket) {
	l := t.listeners[s.local.Port()]
	if l == nil || l.inode != s.inode && l.dump != t.dumps {
		if l == nil && len(t.listeners) >= maxFlows {
			return
		}
		l = &listener{holder: holder{inode: s.inode, uid: s.uid}}
		t.listeners[s.local.Port()] = l
	}
	l.dump = t.dumps
}

// forgetAfter is for how long a connection is kept that no dump sees and whose
// end nobody told: a program may hold a dead socket for as long as it likes, and
// the end is told when it lets go.
const forgetAfter = 24 * time.Hour

// settleWithin is how long the kernel may take to tell of an end.
const settleWithin = 10 * time.Second

// end closes a dump. A listener is kept for one dump more: connections that it
// took may still come.
func (t *tracker) end(now time.Time) {
	for port, l := range t.listeners {
		if t.dumps-l.dump > 1 {
			delete(t.listeners, port)
		}
	}
	for cookie, f := range t.flows {
		f.inbound = f.inbound || f.protocol == protocolTCP && t.listeners[f.local.Port()] != nil
		if f.dump == t.dumps {
			continue
		}
		if f.missing.IsZero() {
			f.missing = now
		}
		gone := now.Sub(f.missing)
		if t.untold || f.suspect && gone >= settleWithin || gone >= forgetAfter {
			delete(t.flows, cookie)
			t.report(f, f.missing, false)
		}
	}
}

// overrun says that ends were told and not heard. Connections that are gone
// then are reported with what was known of them.
func (t *tracker) overrun() {
	for _, f := range t.flows {
		f.suspect = true
	}
}

// wanted calls found with each socket whose owner is not known.
func (t *tracker) wanted(found func(*holder)) {
	for _, f := range t.flows {
		if f.wanted() {
			found(&f.holder)
		}
	}
	for _, l := range t.listeners {
		if l.wanted() {
			found(&l.holder)
		}
	}
}

// looking reports whether an owner is still looked for, or a connection is
// missing whose end may not be told.
func (t *tracker) looking() bool {
	for _, f := range t.flows {
		if f.wanted() || f.suspect && !f.missing.IsZero() {
			return true
		}
	}
	return false
}

// closed takes one socket that was closed.
func (t *tracker) closed(s *socket, now time.Time) {
	t.own(s.local.Addr())
	if s.remote.Port() == 0 || s.protocol != protocolTCP && s.protocol != protocolUDP {
		return // a listener, or a socket that was never connected
	}
	f := t.flows[s.cookie]
	if f == nil {
		f = &flow{protocol: s.protocol, local: s.local, remote: s.remote}
		f.since = now // it came and went between two dumps
		if l := t.listeners[s.local.Port()]; l != nil && s.protocol == protocolTCP {
			f.inbound, f.owner = true, l.owner
		}
	}
	delete(t.flows, s.cookie)
	f.finIn, f.closed = f.finIn || s.unread == 1, true
	f.info = s.info
	f.rttMaxUS = max(f.rttMaxUS, s.info.rttUS)
	t.report(f, now, false)
}

// interim reports the growth of every open connection that has grown.
func (t *tracker) interim(now time.Time) {
	for _, f := range t.flows {
		if f.info.bytesIn != f.told.bytesIn || f.info.bytesOut != f.told.bytesOut {
			t.report(f, now, true)
		}
	}
}

// own notes one of the device's addresses.
func (t *tracker) own(a netip.Addr) {
	if !a.IsUnspecified() && len(t.local) < maxLocal {
		t.local[a] = struct{}{}
	}
}

// report emits what is new of f.
func (t *tracker) report(f *flow, now time.Time, interim bool) {
	c := t.kind.Connection
	whose := f.owner
	if whose == nil {
		whose = &owner{}
	}
	c.Program.Name, c.Program.Path = whose.name, whose.path
	c.User.Name, c.User.Sid = whose.user, whose.sid
	t.where(c, f)
	if since := f.since.UnixNano(); f.since.IsZero() {
		t.name(c, f, whose.key, 0, 0)
	} else {
		t.name(c, f, whose.key, since-int64(seenWithin), since)
	}
	c.Outcome = eventv1.Outcome_OUTCOME_UNSPECIFIED
	if !interim {
		c.Outcome = f.outcome(t.synRetries)
	}
	c.DurationMs = 0
	if !f.since.IsZero() {
		c.DurationMs = uint64(max(0, now.Sub(f.since).Milliseconds()))
	}
	c.RttMinUs, c.RttAvgUs, c.RttMaxUs = f.info.minRTTUS, f.info.rttUS, f.rttMaxUS
	c.BytesIn = grown(f.bytesIn(), f.told.bytesIn)
	c.BytesOut = grown(f.info.bytesOut, f.told.bytesOut)
	c.SegmentsIn = grown(f.info.segsIn, f.told.segsIn)
	c.SegmentsOut = grown(f.info.segsOut, f.told.segsOut)
	c.Retransmits = grown(f.info.retransmits, f.told.retransmits)
	c.Interim = interim
	f.told = f.info
	t.event.TimeUnixMs = collectors.At(now)
	t.emit(&t.event)
}

// where fills in the other end.
func (t *tracker) where(c *eventv1.Connection, f *flow) {
	c.Transport = eventv1.Transport_TRANSPORT_TCP
	if f.protocol == protocolUDP {
		c.Transport = eventv1.Transport_TRANSPORT_UDP
	}
	c.Direction, c.Port = eventv1.Direction_DIRECTION_OUTBOUND, uint32(f.remote.Port())
	if f.inbound {
		c.Direction, c.Port = eventv1.Direction_DIRECTION_INBOUND, uint32(f.local.Port())
	}
	a := f.remote.Addr()
	if _, own := t.local[a.WithZone("")]; own && !a.IsLoopback() {
		a = loopback(a) // the device talks to itself: its address stays here
	}
	c.Address, c.Scope = a.WithZone("").String(), scopeOf(a)
}

// seenWithin is how old a connection can be when a dump finds it.
const seenWithin = time.Minute

// name fills in what the other end is called, of a connection that went out and
// began between two times. process is the start key of whose it is.
func (t *tracker) name(c *eventv1.Connection, f *flow, process uint64, from, to int64) {
	c.Domain, c.DomainSource, c.DomainAmbiguous = "", 0, false
	if f.inbound {
		return // whoever calls says no name
	}
	name, ok := t.names.Find(collectors.Flow{Transport: c.Transport, Local: f.local.Port(), Remote: f.remote}, process, from, to)
	if ok {
		c.Domain, c.DomainSource, c.DomainAmbiguous = name.Domain, name.Source, name.Ambiguous
	}
}

// grown returns by how much a counter grew. The last figure of bytes can be one
// below the one before it, see flow.bytesIn.
func grown(now, before uint64) uint64 {
	if now < before {
		return 0
	}
	return now - before
}

// baseName returns the last part of a path of any system.
func baseName(path string) string {
	path = strings.TrimSuffix(path, " (deleted)")
	return path[strings.LastIndexAny(path, `\/`)+1:]
}
