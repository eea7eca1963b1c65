package domain

import (
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/etw"
	"github.com/discreet-agent/discreet/collectors/nt"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// questions reports what programs ask the resolver of Windows, which tells it. It is
// not safe for concurrent use.
type questions struct {
	env  collectors.Env
	emit collectors.Emit
	// whose tells which program a process runs and whose it is, and its start key;
	// zeros where it is gone.
	whose func(pid uint32) asker
	open  map[openQuestion]int64

	event   eventv1.Event
	seen    eventv1.DomainSeen
	program eventv1.Program
	user    eventv1.User
}

// asker is who asked.
type asker struct {
	key        uint64 // see nt.Key
	name, path string
	user, sid  string
}

// openQuestion names a question that waits for its answer, and its time (FILETIME).
type openQuestion struct {
	pid  uint32
	kind uint16
	name string
}

func newQuestions(env collectors.Env, emit collectors.Emit, whose func(uint32) asker) *questions {
	q := &questions{env: env, emit: emit, whose: whose, open: make(map[openQuestion]int64)}
	q.event.Kind = &eventv1.Event_DomainSeen{DomainSeen: &q.seen}
	return q
}

// patienceTicks is patience in units of a FILETIME.
const patienceTicks = patience / 100

// take takes one event. Many questions begin more than once: the first counts, as
// the program has waited since then.
func (q *questions) take(e *etw.Event) {
	question, ok := etw.ParseQuestion(e)
	if !ok {
		return
	}
	key := openQuestion{e.PID, question.Type, question.Name}
	began, waiting := q.open[key]
	if !question.Answered {
		if waiting && e.At-began < patienceTicks {
			return
		}
		if len(q.open) >= maxQuestions {
			q.forget(e.At)
		}
		q.open[key] = e.At
		return
	}
	delete(q.open, key)
	if !waiting {
		began = e.At
	}
	q.report(&question, e, began)
}

// forget makes room: what nobody will answer any more goes, and if that is nothing,
// all of it. The answers tell the names all the same.
func (q *questions) forget(now int64) {
	for key, at := range q.open {
		if now-at > patienceTicks {
			delete(q.open, key)
		}
	}
	if len(q.open) >= maxQuestions {
		clear(q.open)
	}
}

// report emits one question that is over.
func (q *questions) report(of *etw.Question, e *etw.Event, began int64) {
	who := q.whose(e.PID)
	ambiguous := false
	for _, a := range of.Addresses {
		if q.env.Names.Answered(who.key, a, nt.UnixMS(e.At)*int64(time.Millisecond), of.Name) {
			ambiguous = true
		}
	}
	q.event.TimeUnixMs = nt.UnixMS(began)
	q.seen.Domain, q.seen.Source, q.seen.Rcode, q.seen.Ambiguous = of.Name, eventv1.NameSource_NAME_SOURCE_DNS, uint32(of.Code), ambiguous
	q.seen.LatencyUs = 0
	if of.Reached && e.At > began {
		q.seen.LatencyUs = uint64(e.At-began) / 10
	}
	q.seen.Program, q.seen.User = nil, nil
	if who.name != "" {
		q.program.Name, q.program.Path = who.name, who.path
		q.seen.Program = &q.program
	}
	if who.sid != "" {
		q.user.Name, q.user.Sid = who.user, who.sid
		q.seen.User = &q.user
	}
	q.emit(&q.event)
}
