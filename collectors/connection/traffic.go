package connection

import (
	"net/netip"
	"time"

	"github.com/discreet-agent/discreet/collectors/etw"
)

// traffic holds open flows as the events of Windows tell them. An event names both
// ends and a process; nothing in it tells a connection apart from an earlier one
// between the same ends but that one was closed. It is not safe for concurrent use.
type traffic struct {
	track   *tracker // reports, and knows the device's own addresses
	flows   map[pairKey]*heard
	ended   int             // of flows, still in the table
	listens map[uint16]bool // ports of TCP that are open to others
	owner   func(pid uint32) *owner
	turned  [2]bool // received data names the other end first: of TCP, of UDP
}

// pairKey names a flow: the pid is 0 but for UDP, where several programs can share
// an address.
type pairKey struct {
	udp           bool
	local, remote netip.AddrPort
	pid           uint32
}

// heard is a flow that events told of.
type heard struct {
	flow
	last     time.Time // when something passed
	over     time.Time // when it was closed; zero while it is open
	measured bool      // its round trips are counted
}

const (
	// settleAfter is how long the last data of a closed connection may take.
	settleAfter = 2 * time.Second
	// silentUDP is after how long without a packet a flow of UDP is over.
	silentUDP = time.Minute
	// silentTCP is how long a connection is idle before the table is asked for it.
	silentTCP = 10 * time.Second
)

func newTraffic(track *tracker, owner func(uint32) *owner) *traffic {
	return &traffic{track: track, flows: make(map[pairKey]*heard), listens: make(map[uint16]bool), owner: owner}
}

// take takes one event, which happened at a time.
func (t *traffic) take(e *etw.Traffic, at time.Time) {
	key := t.key(e)
	if key.remote.Port() == 0 || key.remote.Addr().IsUnspecified() {
		return
	}
	f := t.flows[key]
	begins := e.Kind == etw.Connected || e.Kind == etw.Accepted
	if f != nil && begins { // the same ends anew, or what the first look saw already
		if delete(t.flows, key); !f.last.IsZero() {
			t.finish(key, f)
		}
		f = nil
	}
	if f == nil {
		if e.Kind == etw.Disconnected || e.Kind == etw.Retransmitted {
			return // of one that is over, or is not told of yet
		}
		if f = t.enter(key, e, at, begins); f == nil {
			return
		}
	}
	f.last = at
	t.count(f, e, at)
}

// count adds what an event says to its flow.
func (t *traffic) count(f *heard, e *etw.Traffic, at time.Time) {
	in := &f.info
	switch e.Kind {
	case etw.Sent, etw.SentUDP:
		in.bytesOut += uint64(e.Bytes)
		in.known, in.bytesAcked = true, 1
	case etw.Received, etw.ReceivedUDP:
		in.bytesIn += uint64(e.Bytes)
		in.dataSegsIn++
		in.known, in.bytesAcked = true, 1
	case etw.Retransmitted:
		in.retransmits++
	case etw.Accepted:
		f.inbound, in.known, in.bytesAcked = true, true, 1
	case etw.Disconnected:
		if f.over.IsZero() {
			f.over = at
			t.ended++
		}
	}
	switch e.Kind { // a datagram each; of TCP the events are no segments
	case etw.SentUDP:
		in.segsOut++
	case etw.ReceivedUDP:
		in.segsIn++
	}
}

// enter puts a new flow into the table. One that neither called nor was accepted
// within the agent's sight is older than it, or is UDP.
func (t *traffic) enter(key pairKey, e *etw.Traffic, at time.Time, begins bool) *heard {
	if len(t.flows) >= maxFlows {
		t.track.stats.AddLost(1)
		return nil
	}
	f := &heard{flow: flow{protocol: protocolTCP, local: key.local, remote: key.remote}}
	if key.udp {
		f.protocol = protocolUDP
	}
	if begins || key.udp {
		f.since = at
	}
	f.inbound = e.Kind == etw.ReceivedUDP || !key.udp && !begins && t.listens[key.local.Port()]
	f.owner = t.owner(e.PID)
	t.flows[key] = f
	return f
}

// key tells which end is here. What was received may name either first; where both
// ends could be here, as of the device talking to itself, what was learned of other
// events decides.
func (t *traffic) key(e *etw.Traffic) pairKey {
	here, there := e.Source, e.Destination
	if e.Kind == etw.Received || e.Kind == etw.ReceivedUDP {
		n := 0
		if e.UDP() {
			n = 1
		}
		source, destination := t.isOwn(here.Addr()), t.isOwn(there.Addr())
		if source != destination {
			t.turned[n] = destination
		}
		if t.turned[n] {
			here, there = there, here
		}
	}
	k := pairKey{udp: e.UDP(), local: here, remote: there}
	if k.udp {
		k.pid = e.PID
	}
	return k
}

func (t *traffic) isOwn(a netip.Addr) bool {
	_, own := t.track.local[a.WithZone("")]
	return own || a.IsLoopback()
}

// sweep reports what is over by now.
func (t *traffic) sweep(now time.Time) {
	for key, f := range t.flows {
		settled := !f.over.IsZero() && now.Sub(f.over) >= settleAfter
		if settled || key.udp && now.Sub(f.last) >= silentUDP {
			t.finish(key, f)
		}
	}
}

// waits reports whether a sweep has something to do soon.
func (t *traffic) waits() bool { return t.ended > 0 }

// finish reports a flow and forgets it.
func (t *traffic) finish(key pairKey, f *heard) {
	delete(t.flows, key)
	at := f.last
	if !f.over.IsZero() {
		at = f.over
		t.ended--
	}
	if at.IsZero() { // no event ever told of it
		at = time.Now()
	}
	t.track.report(&f.flow, at, false)
}

// interim reports the growth of every open flow.
func (t *traffic) interim(now time.Time) {
	for _, f := range t.flows {
		if f.info.bytesIn != f.told.bytesIn || f.info.bytesOut != f.told.bytesOut {
			t.track.report(&f.flow, now, true)
		}
	}
}

// look takes the system's table: it tells which ports are open to others, whose
// round trips can be asked for, and finds connections whose end was lost. The first
// look enters those that are older than the agent.
func (t *traffic) look(each func(func(*row)) error, measure func(*tcpInfo, *row, bool), now time.Time, first bool) error {
	var older []*heard
	clear(t.listens)
	there := make(map[pairKey]bool, len(t.flows))
	err := each(func(r *row) {
		t.track.own(r.local.Addr())
		s, ok := r.socket()
		if !ok {
			return
		}
		if s.state == stateListen {
			t.listens[s.local.Port()] = true
			return
		}
		key := pairKey{local: r.local, remote: r.remote}
		there[key] = true
		f := t.flows[key]
		if f == nil && first && s.state == stateEstablished && len(t.flows) < maxFlows {
			f = &heard{flow: flow{protocol: protocolTCP, local: key.local, remote: key.remote}}
			f.owner = t.owner(r.pid)
			t.flows[key] = f
			older = append(older, f)
		}
		if f != nil {
			f.info.known, f.info.bytesAcked = s.info.known, s.info.bytesAcked
			var info tcpInfo
			measure(&info, r, !f.measured)
			f.measured = true
			f.info.rttUS, f.info.minRTTUS = info.rttUS, info.minRTTUS
			f.rttMaxUS = max(f.rttMaxUS, info.rttUS)
		}
	})
	if err != nil {
		return err
	}
	for _, f := range older { // a listener can stand behind them in the table
		f.inbound = t.listens[f.local.Port()]
	}
	for key, f := range t.flows {
		if !key.udp && !there[key] && f.over.IsZero() && now.Sub(f.last) >= silentTCP {
			t.finish(key, f)
		}
	}
	return nil
}
