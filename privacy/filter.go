package privacy

import (
	"fmt"
	"io"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// A Filter applies one Policy. It is not safe for concurrent use: the agent
// holds one lock from Apply to the spool.
type Filter struct {
	levels [NumKeys]Level
	stamp  Stamp
	rules  *rules
	os     OS
	passes [numKinds]bool  // what the policy lets exist
	grains [numKinds]Level // the grain of its time
	spans  [numLevels]span
	kept   keptMessages
	texts  kept[rawText]
	except *exclusions

	trip    *tripwire
	tripped uint64 // events in which it found a hidden identity

	// The event under construction. It holds nothing but what may leave.
	kind uint8
	head int   // how much of buf stands before the message
	tail int   // where its numbers begin: behind that is no text
	time int64 // of the event, as it leaves
	buf  []byte
	sums []uint64

	execution  scratch[eventv1.ExecutionSummary]
	connection scratch[eventv1.ConnectionSummary]
}

// span is the bucket of late of one level, in milliseconds since 1970.
type span struct{ start, end int64 }

// kindInfo is what the schema says about a kind of event.
type kindInfo struct {
	number  int32
	tag     uint64
	name    string
	key     Key  // governs whether it exists; NumKeys: it always may
	grain   Key  // whose level is the grain of its time; NumKeys: exact
	each    bool // leaves only where key has level each
	summary bool
	folds   []fold
}

// NewFilter compiles p for one device. keys may be nil: then whatever would be
// hashed is dropped.
func NewFilter(p Policy, ctx Context, keys *Pseudonyms) *Filter {
	f := &Filter{
		stamp:  Stamp{p.Digest(), p.Lines(), keys.KeyID()},
		rules:  newRules(ctx, keys),
		os:     ctx.OS,
		except: newExclusions(ctx),
	}
	for k := range NumKeys {
		f.levels[k] = p.Level(k)
	}
	for k := uint8(1); k < numKinds; k++ {
		f.passes[k], f.grains[k] = p.mayExist(k), p.grain(k)
	}
	f.trip = newTripwire(p, f.rules)
	f.execution.wrap(func(m *eventv1.ExecutionSummary) *eventv1.Event {
		return &eventv1.Event{Kind: &eventv1.Event_ExecutionSummary{ExecutionSummary: m}}
	})
	f.connection.wrap(func(m *eventv1.ConnectionSummary) *eventv1.Event {
		return &eventv1.Event{Kind: &eventv1.Event_ConnectionSummary{ConnectionSummary: m}}
	})
	return f
}

// mayExist reports whether p lets events of kind k leave.
func (p *Policy) mayExist(k uint8) bool {
	switch info := &kinds[k]; {
	case info.key == NumKeys:
		return true
	case info.each:
		return p.Level(info.key) == Each
	default:
		return p.Level(info.key) > Drop
	}
}

// grain returns how exact the time of events of kind k is.
func (p *Policy) grain(k uint8) Level {
	if key := kinds[k].grain; key != NumKeys {
		return p.Level(key)
	}
	return Full
}

// Apply constructs the event that may leave. It reports false where the policy
// drops the event whole, and where ev is of no known kind. At level summary the
// result is a summary of one. Nothing of ev is kept; the bytes of the result
// are good until the next Apply.
func (f *Filter) Apply(ev *eventv1.Event) (Cleared, bool) {
	if ev == nil || !f.convert(ev) {
		return Cleared{}, false
	}
	if f.merges() {
		return Cleared{&f.stamp, f.kind, int32(f.head), f.time, f.buf, f.sums}, true
	}
	return Cleared{&f.stamp, f.kind, 0, f.time, f.buf, nil}, true
}

// convert constructs what may leave of ev, as a summary where the level is
// summary.
func (f *Filter) convert(ev *eventv1.Event) bool {
	switch f.except.of(ev) {
	case fateDropped:
		return false
	case fateCounted:
		return f.count(ev)
	}
	switch k := ev.Kind.(type) {
	case *eventv1.Event_ProcessStart:
		if f.levels[Processes] == Summary {
			return f.convertStart(ev, k.ProcessStart)
		}
	case *eventv1.Event_ProcessStop:
		if f.levels[Processes] == Summary {
			return f.convertStop(ev, k.ProcessStop)
		}
	case *eventv1.Event_Connection:
		if f.levels[Connections] == Summary {
			return f.convertConnection(ev, k.Connection)
		}
	}
	return f.finish(ev)
}

// finish constructs what may leave of ev as it is, and looks over what it
// constructed.
func (f *Filter) finish(ev *eventv1.Event) bool {
	if !f.construct(ev) {
		return false
	}
	if !f.trip.clean(f.kind, f.buf[f.head:f.tail]) {
		clear(f.buf[:cap(f.buf)])
		f.tripped++
		return false
	}
	if f.merges() {
		return true
	}
	if folds := kinds[f.kind].folds; folds != nil {
		f.buf = putSums(f.buf, folds, f.sums)
	}
	f.buf = putLength(f.buf, f.head)
	return true
}

// merges reports whether the event under construction can be merged with
// others: it is a summary, and its time is a bucket.
func (f *Filter) merges() bool {
	return kinds[f.kind].summary && f.grains[f.kind] != Full
}

// Tripped returns how many events were dropped because an identity that the
// policy hides stood in what was to leave. Each is a mistake of the agent's.
func (f *Filter) Tripped() uint64 { return f.tripped }

// maxTime is the end of the year 9999. Times outside of 1970 to then are a
// collector's mistake and are moved to the edge.
const maxTime = 253402300799999

// open begins an event of kind k that happened at ms: it writes what stands
// around the message. It reports false where the policy lets no such event
// exist.
func (f *Filter) open(k uint8, ms int64) bool {
	if !f.passes[k] {
		return false
	}
	start, seconds, ok := f.bucket(f.grains[k], min(max(ms, 0), maxTime))
	if !ok {
		return false
	}
	b := putUint(f.buf[:0], tagTime, uint64(start))
	b = putUint(b, tagBucket, uint64(seconds))
	b = appendVarint(b, kinds[k].tag)
	f.buf, f.kind, f.head, f.time = b, k, len(b), start
	return true
}

// bucket returns the start and length of the bucket in which ms lies. At Full
// the length is 0 and the time exact. At a level that is no grain of time it
// reports false, so that a mistake here drops an event and never shows an exact
// time.
func (f *Filter) bucket(l Level, ms int64) (start, seconds int64, ok bool) {
	if l == Full {
		return ms, 0, true
	}
	s := &f.spans[l]
	if ms < s.start || ms >= s.end {
		at, length := f.rules.bucket(l, time.UnixMilli(ms))
		if length < time.Second {
			return 0, 0, false
		}
		*s = span{at.UnixMilli(), at.Add(length).UnixMilli()}
	}
	return s.start, (s.end - s.start) / 1000, true
}

// Format writes a fixed text, whatever the verb: what a Filter keeps is raw.
func (f *Filter) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redactedText) }

// identityStatus says that the policy is why a network has no names, where it
// is: the collector may not have asked then.
func (f *Filter) identityStatus(raw eventv1.IdentityStatus) eventv1.IdentityStatus {
	if f.levels[WifiSSID] == Drop && f.levels[WifiBSSID] == Drop {
		return eventv1.IdentityStatus_IDENTITY_STATUS_OFF_BY_POLICY
	}
	return raw
}
