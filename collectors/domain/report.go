package domain

import (
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// maxPrograms bounds the programs that are remembered. The kernel remembers a
// quarter of that, and tells of the others again.
const maxPrograms = 4096

// reporter turns sightings into events.
type reporter struct {
	env      collectors.Env
	src      source
	emit     collectors.Emit
	programs map[process]*known
	batches  uint64
	accounts *procfs.Accounts

	event   eventv1.Event
	seen    eventv1.DomainSeen
	program eventv1.Program
	user    eventv1.User
}

type process struct {
	pid   uint32
	start int64
}

type known struct {
	name, path string
	used       uint64 // the batch
}

func newReporter(env collectors.Env, src source, emit collectors.Emit) *reporter {
	r := &reporter{env: env, src: src, emit: emit, programs: make(map[process]*known), accounts: procfs.NewAccounts("")}
	r.event.Kind = &eventv1.Event_DomainSeen{DomainSeen: &r.seen}
	return r
}

func (r *reporter) batch(b *batch) error {
	r.batches++
	for i := range b.programs {
		r.learn(&b.programs[i])
	}
	for i := range b.sightings {
		r.report(&b.sightings[i])
	}
	n, err := r.src.lost()
	r.env.Stats.AddLost(n + b.lost)
	return err
}

func (r *reporter) learn(p *program) {
	if len(r.programs) >= maxPrograms {
		for key, k := range r.programs {
			if k.used < r.batches {
				delete(r.programs, key)
			}
		}
		if len(r.programs) >= maxPrograms {
			clear(r.programs)
		}
	}
	r.programs[process{p.owner.pid, p.owner.start}] = &known{p.name, p.path, r.batches}
}

// report emits one event. A name that came beside an encrypted one is believed
// only where it was looked up before, for that very address: else it may be the
// cover that many names share, and it is left empty.
func (r *reporter) report(s *sighting) {
	key := s.owner.key()
	name, ambiguous := s.name, false
	if s.hidden {
		if ambiguous = r.env.Names.Looked(key, s.flow.remote.Addr(), s.name); !ambiguous {
			name = ""
		}
	}
	for _, a := range s.addrs {
		if r.env.Names.Answered(key, a, r.src.unixNano(s.at+s.latency), name) {
			ambiguous = true
		}
	}
	if transport := transportOf(s.source); transport != 0 {
		flow := collectors.Flow{Transport: transport, Local: s.flow.local.Port(), Remote: s.flow.remote}
		r.env.Names.Called(flow, r.src.unixNano(s.at), collectors.Name{Domain: name, Source: s.source, Ambiguous: ambiguous})
	}
	r.event.TimeUnixMs = r.src.unixNano(s.at) / 1e6
	r.seen.Domain, r.seen.Source, r.seen.Rcode, r.seen.Ambiguous = name, s.source, uint32(s.rcode), ambiguous
	r.seen.LatencyUs = 0
	if s.answered {
		r.seen.LatencyUs = uint64(max(1, s.latency/1000))
	}
	r.seen.Program, r.seen.User = nil, nil
	if s.owner.pid != 0 {
		r.user.Name, r.user.Sid = r.accounts.Find(s.owner.uid)
		r.seen.User = &r.user
	}
	if k := r.programs[process{s.owner.pid, s.owner.start}]; k != nil {
		k.used = r.batches
		r.program.Name, r.program.Path = k.name, k.path
		r.seen.Program = &r.program
	}
	r.emit(&r.event)
}

// transportOf returns over what a name was called; nothing for a question.
func transportOf(s eventv1.NameSource) eventv1.Transport {
	switch s {
	case eventv1.NameSource_NAME_SOURCE_SNI:
		return eventv1.Transport_TRANSPORT_TCP
	case eventv1.NameSource_NAME_SOURCE_QUIC:
		return eventv1.Transport_TRANSPORT_UDP
	}
	return eventv1.Transport_TRANSPORT_UNSPECIFIED
}

// key returns the start key by which events name a process; 0: not known.
func (o owner) key() uint64 {
	if o.pid == 0 {
		return 0
	}
	const tick = 1e9 / procfs.TicksPerSecond
	return procfs.Key(uint64(o.start)/tick, o.pid)
}
