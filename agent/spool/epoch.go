package spool

import "time"

// span is a range of numbers, both ends included.
type span struct{ first, last uint64 }

// epochState is what is known of one epoch. The spool's mu guards it.
type epochState struct {
	id      Epoch
	freed   uint64 // nothing up to here is wanted any more
	saved   uint64 // freed, as it stands on disk
	handed  uint64 // the highest number that Next has returned
	last    uint64 // the highest number known
	refused []span // freed within, sorted, apart from each other
	holes   []span // damage that Next has reported in place
	damaged uint64 // damage up to here is counted

	gone   bool   // has no segment any more
	goneAt uint64 // and how often the directory was synced by then
}

// free frees everything up to and including through, and what is freed already
// right after it.
func (e *epochState) free(through uint64) {
	e.freed = max(e.freed, through)
	for moved := true; moved; {
		moved = false
		for _, r := range e.refused {
			if r.first <= e.freed+1 && r.last > e.freed {
				e.freed, moved = r.last, true
			}
		}
		// A hole has the number of its first missing record.
		for _, h := range e.holes {
			if h.first <= e.freed && h.last > e.freed {
				e.freed, moved = h.last, true
			}
		}
	}
	e.refused = after(e.refused, e.freed)
	e.holes = after(e.holes, e.freed)
	e.last = max(e.last, e.freed)
}

// after returns the spans that do not end by n.
func after(spans []span, n uint64) []span {
	kept := spans[:0]
	for _, r := range spans {
		if r.last > n {
			kept = append(kept, r)
		}
	}
	return kept
}

// skip returns the first number from n on that is not freed.
func (e *epochState) skip(n uint64) uint64 {
	n = max(n, e.freed+1)
	for _, r := range e.refused {
		if r.first <= n && n <= r.last {
			n = r.last + 1
		}
	}
	return n
}

// until returns the last number from n on, at most last, before a refused one.
func (e *epochState) until(n, last uint64) uint64 {
	for _, r := range e.refused {
		if r.first > n && r.first <= last {
			return r.first - 1
		}
	}
	return last
}

// fresh returns the parts of first to last that are not freed yet.
func (e *epochState) fresh(first, last uint64) []span {
	var parts []span
	for n := e.skip(first); n <= last; n = e.skip(n) {
		end := e.until(n, last)
		parts = append(parts, span{n, end})
		n = end + 1
	}
	return parts
}

// refuse adds a span that is not freed yet.
func (e *epochState) refuse(r span) {
	i := 0
	for i < len(e.refused) && e.refused[i].first < r.first {
		i++
	}
	e.refused = append(e.refused[:i], append([]span{r}, e.refused[i:]...)...)
	joined := e.refused[:1]
	for _, r := range e.refused[1:] {
		if last := &joined[len(joined)-1]; r.first == last.last+1 {
			last.last = r.last
		} else {
			joined = append(joined, r)
		}
	}
	e.refused = joined
	e.free(e.freed)
}

// unacked returns how many numbers are neither freed nor refused. It is never
// negative.
func (e *epochState) unacked() int64 {
	if e.last <= e.freed {
		return 0
	}
	n := int64(e.last - e.freed)
	for _, r := range e.refused {
		n -= int64(r.last - r.first + 1)
	}
	return max(n, 0)
}

// wanted reports whether one of the segments may hold something to send.
func (e *epochState) wanted(segments []*segment) bool {
	for _, seg := range segments {
		if seg.epoch == e && seg.wanted() {
			return true
		}
	}
	return false
}

// notSaid stands for a gap that has no number yet.
const notSaid = ^uint64(0)

// segment is one file of records. The spool's mu guards it.
type segment struct {
	name  string
	place int // its place in the order of sending; grows
	epoch *epochState
	head  header
	data  int64  // where its records begin
	end   int64  // how far it may be read
	size  int64  // bytes on disk
	last  uint64 // the highest number in it, where known
	known bool

	sealed    bool   // nothing will be added
	condemned bool   // will be removed once its gap is durable
	said      uint64 // a number at or after that gap's; notSaid: it has none yet
	readErrs  int
	errSince  time.Time // of the first of them
	givenUp   bool      // what cannot be read of it is lost
}

// wanted reports whether the segment may hold something to send.
func (seg *segment) wanted() bool {
	return !seg.condemned && (!seg.known || seg.last > seg.epoch.freed)
}
