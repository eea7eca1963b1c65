package agent

import (
	"time"

	"github.com/discreet-agent/discreet/privacy"
)

// What the ring of sent records may hold.
const (
	ringEvents = 1000
	ringAge    = 24 * time.Hour
	ringBytes  = 1 << 20
)

// ring keeps the newest records that went to the spool, as the very bytes, so
// that people can look at them. It lives in memory only and ends with the
// process. The zero ring is empty. The pipeline's lock guards it.
type ring struct {
	slots []record // made at the first use
	first int      // the oldest
	n     int
	bytes int
}

type record struct {
	at   time.Time
	wire []byte
}

// add keeps a record and lets the oldest go. What it lets go is overwritten, not
// left for the collector of garbage.
func (r *ring) add(c privacy.Cleared, now time.Time) {
	if r.slots == nil {
		r.slots = make([]record, ringEvents)
	}
	r.expire(now)
	size := c.Size()
	if size > ringBytes {
		return
	}
	for r.n == ringEvents || r.n > 0 && r.bytes+size > ringBytes {
		r.drop()
	}
	s := &r.slots[(r.first+r.n)%ringEvents]
	s.at, s.wire = now, c.AppendTo(s.wire[:0])
	r.n++
	r.bytes += len(s.wire)
}

// drop lets the oldest go. Its memory serves another record.
func (r *ring) drop() {
	s := &r.slots[r.first]
	r.bytes -= len(s.wire)
	clear(s.wire)
	s.wire = s.wire[:0]
	if cap(s.wire) > 512 { // rare, and not worth keeping
		s.wire = nil
	}
	r.first = (r.first + 1) % ringEvents
	r.n--
}

// expire lets go what is too old. The agent's account of itself comes here every
// few minutes, so nothing stays much longer than it may.
func (r *ring) expire(now time.Time) {
	for r.n > 0 && now.Sub(r.slots[r.first].at) > ringAge {
		r.drop()
	}
}

// sentRecords returns copies of the records that went to the spool, the oldest
// first.
func (p *pipeline) sentRecords() []record {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &p.sent
	r.expire(p.now())
	all := make([]record, 0, r.n)
	for i := range r.n {
		s := r.slots[(r.first+i)%ringEvents]
		all = append(all, record{s.at, append([]byte(nil), s.wire...)})
	}
	return all
}
