package domain

import "slices"

// pieces puts together the beginning of a stream whose parts may come in any
// order, twice, or overlapping. It keeps at most maxHello bytes and maxGaps
// parts that do not touch.
type pieces struct {
	buf   []byte
	spans []span // sorted, none touches another
}

type span struct{ from, to int }

const maxGaps = 64

// put enters a part. What lies beyond the bounds is left out.
func (p *pieces) put(at int, b []byte) {
	if at < 0 || at >= maxHello || len(b) == 0 {
		return
	}
	b = b[:min(len(b), maxHello-at)]
	end := at + len(b)
	i, _ := slices.BinarySearchFunc(p.spans, at, func(s span, at int) int { return s.to - at })
	j := i
	from, to := at, end
	for ; j < len(p.spans) && p.spans[j].from <= end; j++ {
		from, to = min(from, p.spans[j].from), max(to, p.spans[j].to)
	}
	if i == j && len(p.spans) >= maxGaps {
		return
	}
	p.spans = slices.Replace(p.spans, i, j, span{from, to})
	if end > len(p.buf) {
		p.buf = append(p.buf, make([]byte, end-len(p.buf))...)
	}
	copy(p.buf[at:], b)
}

// front returns what is there without a gap from the beginning on.
func (p *pieces) front() []byte {
	if len(p.spans) == 0 || p.spans[0].from != 0 {
		return nil
	}
	return p.buf[:p.spans[0].to]
}
