package domain

import (
	"net/netip"
	"strings"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// Bounds of what the decoder waits for. Whoever sends many things that never
// end pushes out the oldest; each is then counted as lost.
const (
	maxQuestions = 4096
	maxStreams   = 512
	maxCalls     = 256
	patience     = int64(10 * time.Second) // for an answer, or the rest of something
)

// sighting is a name that was looked up or called.
type sighting struct {
	owner    owner
	flow     flow
	at       int64 // of the question or the call
	name     string
	source   eventv1.NameSource
	hidden   bool // the name may be a cover: it came beside an encrypted one
	rcode    uint8
	latency  int64 // 0: no answer came
	answered bool
	addrs    []netip.Addr
}

// batch is what one read of the source gave.
type batch struct {
	programs  []program
	sightings []sighting
	lost      uint64
}

func (b *batch) empty() bool { return len(b.programs)+len(b.sightings) == 0 && b.lost == 0 }

// asked names a question that waits for its answer.
type asked struct {
	flow flow
	id   uint16
}

type question struct {
	owner owner
	name  string
	qtype uint16
	at    int64
}

type direction struct {
	flow flow
	in   bool
}

type callKey struct {
	flow flow
	id   string // the client's own connection id
}

// decoder turns packets into sightings. It opens nothing and calls nobody: it
// can run on a thread that has no capability. It is not safe for concurrent use.
type decoder struct {
	out       batch
	msg       message
	buf       []byte
	questions map[asked]question
	streams   map[direction]*stream
	hellos    map[flow]*opening
	calls     map[callKey]*call
	now       int64 // the time of the newest packet
}

func newDecoder() *decoder {
	return &decoder{
		questions: make(map[asked]question),
		streams:   make(map[direction]*stream),
		hellos:    make(map[flow]*opening),
		calls:     make(map[callKey]*call),
	}
}

func (d *decoder) take(p *packet) {
	d.now = max(d.now, p.at)
	switch p.kind {
	case kindDNSOut, kindDNSIn:
		d.dns(p, p.data)
	case kindStreamOut, kindStreamIn:
		d.stream(p)
	case kindHello:
		d.hello(p)
	case kindInitial:
		d.initial(p)
	}
}

// dns takes one DNS message. An answer counts only where its question was seen,
// from the same port to the same server with the same id and name.
func (d *decoder) dns(p *packet, b []byte) {
	out := p.kind == kindDNSOut || p.kind == kindStreamOut
	if !d.msg.parse(b) || d.msg.response == out {
		return
	}
	key := asked{p.flow, d.msg.id}
	q, waiting := d.questions[key]
	same := waiting && q.qtype == d.msg.qtype && q.name == string(d.msg.name)
	if out {
		if same {
			return // asked again: the first one counts
		}
		if waiting {
			d.unanswered(key, q)
		}
		if len(d.questions) >= maxQuestions {
			d.forget()
		}
		d.questions[key] = question{p.owner, strings.Clone(string(d.msg.name)), d.msg.qtype, p.at}
		return
	}
	if !same {
		return
	}
	delete(d.questions, key)
	s := d.asked(key, q)
	s.rcode, s.answered = d.msg.rcode, true
	s.latency = max(1, p.at-q.at)
	s.addrs = append(s.addrs, d.msg.addrs[:d.msg.naddrs]...)
	d.out.sightings = append(d.out.sightings, s)
}

func (d *decoder) asked(key asked, q question) sighting {
	return sighting{owner: q.owner, flow: key.flow, at: q.at, name: q.name, source: eventv1.NameSource_NAME_SOURCE_DNS}
}

func (d *decoder) unanswered(key asked, q question) {
	delete(d.questions, key)
	d.out.sightings = append(d.out.sightings, d.asked(key, q))
}

// forget makes room where too many questions wait. They were asked all the same.
func (d *decoder) forget() {
	n := 0
	for key, q := range d.questions {
		if n++; n > maxQuestions/4 {
			return
		}
		d.unanswered(key, q)
	}
}

// called enters a call to a name, or to one that nobody can see.
func (d *decoder) called(p *packet, h hello, source eventv1.NameSource) {
	if h.name == "" && !h.hidden {
		return // it names nobody
	}
	d.out.sightings = append(d.out.sightings, sighting{owner: p.owner, flow: p.flow, at: p.at, name: h.name, hidden: h.hidden, source: source})
	d.private(p)
}

// private enters that names were looked up which nobody can see: DNS over TLS or
// QUIC. DNS over HTTPS looks like any other call.
func (d *decoder) private(p *packet) {
	const dnsOverTLS = 853
	if p.flow.remote.Port() == dnsOverTLS {
		d.out.sightings = append(d.out.sightings, sighting{owner: p.owner, flow: p.flow, at: p.at, source: eventv1.NameSource_NAME_SOURCE_DNS})
	}
}

// opening is what a client sent first over TCP.
type opening struct {
	pieces pieces
	first  uint32 // the sequence number
	seen   int64
	done   bool
}

// hello takes a part of what a client sends first over TCP.
func (d *decoder) hello(p *packet) {
	o := d.hellos[p.flow]
	starts := len(p.data) > 5 && p.data[0] == 22 && p.data[1] == 3 && p.data[5] == clientHello
	if o != nil && starts && p.seq-o.first >= maxHello {
		o = nil // the port is used anew
	}
	if o == nil {
		// Its first part is short where a program writes it in small parts.
		if len(p.data) == 0 || p.data[0] != 22 || len(p.data) > 5 && !starts {
			return
		}
		o = &opening{first: p.seq}
		evict(d, d.hellos, maxStreams)
		d.hellos[p.flow] = o
	}
	o.seen = p.at
	if o.done || p.seq-o.first >= maxHello {
		return
	}
	b := p.data
	if p.seq != o.first || len(o.pieces.spans) > 0 {
		o.pieces.put(int(p.seq-o.first), b)
		b = o.pieces.front()
	}
	var st state
	d.buf, st = unwrap(d.buf[:0], b)
	var h hello
	if st == whole {
		h, st = parseHello(d.buf)
	}
	switch st {
	case whole:
		o.done, o.pieces = true, pieces{}
		d.called(p, h, eventv1.NameSource_NAME_SOURCE_SNI)
	case foreign:
		o.done, o.pieces = true, pieces{}
	case partial:
		if len(o.pieces.spans) == 0 {
			o.pieces.put(int(p.seq-o.first), p.data)
		}
	}
}

// initial takes a datagram with the beginning of a QUIC connection.
func (d *decoder) initial(p *packet) {
	l, _, ok := nextLong(p.data)
	if !ok {
		return
	}
	key := callKey{p.flow, string(l.scid)}
	c := d.calls[key]
	if c == nil {
		c = &call{}
	}
	c.seen = p.at
	const unique = 4 // bytes with which a client tells its connections apart
	if c.random != nil && len(l.scid) >= unique {
		return // it has said its name
	}
	h, done := c.take(p.data)
	if c.opener == nil {
		return // not decrypted: nothing to keep
	}
	if d.calls[key] == nil {
		evict(d, d.calls, maxCalls)
		d.calls[key] = c
	}
	if done {
		c.pieces = pieces{}
		d.called(p, h, eventv1.NameSource_NAME_SOURCE_QUIC)
	}
}

// lasting is something that waits for more.
type lasting interface {
	last() (at int64, complete bool)
}

func (o *opening) last() (int64, bool) { return o.seen, o.done }
func (c *call) last() (int64, bool)    { return c.seen, c.random != nil }
func (s *stream) last() (int64, bool)  { return s.seen, true }

// evict makes room in a table for one more: it takes out what is oldest of some.
func evict[K comparable, V lasting](d *decoder, table map[K]V, most int) {
	if len(table) < most {
		return
	}
	const looks = 16
	var oldest K
	age, n := int64(0), 0
	complete := false
	for k, v := range table {
		at, done := v.last()
		if n == 0 || at < age {
			oldest, age, complete = k, at, done
		}
		if n++; n == looks {
			break
		}
	}
	delete(table, oldest)
	if !complete {
		d.out.lost++
	}
}

// sweep ends what was waited for long enough. now is a time of the packets'
// clock.
func (d *decoder) sweep(now int64) {
	for key, q := range d.questions {
		if now-q.at > patience {
			d.unanswered(key, q)
		}
	}
	expire(d.streams, now, 60*int64(time.Second))
	expire(d.hellos, now, patience)
	expire(d.calls, now, patience)
}

func expire[K comparable, V lasting](table map[K]V, now, after int64) {
	for k, v := range table {
		if at, _ := v.last(); now-at > after {
			delete(table, k)
		}
	}
}

// flush hands out what was found since the last time.
func (d *decoder) flush() batch {
	out := d.out
	d.out = batch{}
	return out
}
