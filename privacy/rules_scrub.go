package privacy

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// idMark stands where an identity stood.
const idMark = "<id>"

// scrubber finds identities in canonical text. A table of first byte pairs lets
// it pass over nearly all of a text without a look at any token.
type scrubber struct {
	first  [1 << 16 / 64]uint64 // one bit for each pair of bytes that begins a token
	bucket map[uint16][]token
	grams  grams // for the tripwire
	added  int   // how often tokens were added
}

func newScrubber() *scrubber { return &scrubber{bucket: make(map[uint16][]token)} }

// add makes tokens known. A token that is a person's stays one where the host's
// name has it too.
func (s *scrubber) add(list []token) {
	s.added++
	for _, t := range list {
		pair := uint16(t.text[0])<<8 | uint16(t.text[1])
		have := s.bucket[pair]
		i := slices.IndexFunc(have, func(o token) bool { return o.text == t.text && o.short == t.short })
		if i >= 0 {
			have[i].host = have[i].host && t.host
			have[i].from |= t.from
			continue
		}
		t.text = strings.Clone(t.text)
		s.bucket[pair] = append(have, t)
		s.first[pair>>6] |= 1 << (pair & 63)
		s.grams.add(t)
	}
}

// candidates returns the tokens that may begin at text[i].
func (s *scrubber) candidates(text string, i int) []token {
	if i+1 >= len(text) {
		return nil
	}
	pair := uint16(text[i])<<8 | uint16(text[i+1])
	if s.first[pair>>6]&(1<<(pair&63)) == 0 {
		return nil
	}
	return s.bucket[pair]
}

// finds reports whether an identity stands in text, which must be canonical.
// With people, the host's own name does not count.
func (s *scrubber) finds(text string, people bool) bool {
	p := piece{text: text, head: true, tail: true}
	for i := range len(text) {
		for _, t := range s.candidates(text, i) {
			if people && t.host {
				continue
			}
			if _, ok := p.match(t, i); ok {
				return true
			}
		}
	}
	return false
}

// replace returns text, which must be canonical, with a mark for each identity:
// the longest token first, each on what the longer ones left.
func (s *scrubber) replace(text string) string {
	var present []token
	for i := range len(text) {
		for _, t := range s.candidates(text, i) {
			if strings.HasPrefix(text[i:], t.text) {
				present = append(present, t)
			}
		}
	}
	slices.SortFunc(present, func(a, b token) int {
		return cmp.Or(cmp.Compare(b.least(), a.least()), cmp.Compare(a.text, b.text))
	})
	pieces := []piece{{text: text, head: true, tail: true}}
	for _, t := range slices.Compact(present) {
		var next []piece
		for _, p := range pieces {
			next = p.split(t, next)
		}
		pieces = next
	}
	var b strings.Builder
	for _, p := range pieces {
		if p.mark {
			b.WriteString(idMark)
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// piece is a part of a text that is being scrubbed: a mark, or what stands
// between two marks. head and tail say that the text begins or ends there.
type piece struct {
	text       string
	head, tail bool
	mark       bool
}

// split appends to out what is left of p where t is replaced.
func (p piece) split(t token, out []piece) []piece {
	if p.mark {
		return append(out, p)
	}
	from := 0
	for i := 0; i < len(p.text); {
		end, ok := p.match(t, i)
		if !ok {
			i++
			continue
		}
		if i > from {
			out = append(out, piece{text: p.text[from:i], head: p.head && from == 0})
		}
		out = append(out, piece{mark: true})
		i, from = end, end
	}
	if from < len(p.text) {
		out = append(out, piece{text: p.text[from:], head: p.head && from == 0, tail: p.tail})
	}
	return out
}

// match reports whether t stands at p.text[i], and where it ends.
func (p piece) match(t token, i int) (end int, ok bool) {
	end = i + len(t.text)
	if !strings.HasPrefix(p.text[i:], t.text) {
		return end, false
	}
	size := t.size
	if t.short {
		for end < len(p.text) && '0' <= p.text[end] && p.text[end] <= '9' {
			end++
		}
		digits := end - i - len(t.text)
		if digits == 0 {
			return end, false
		}
		size += digits
	}
	if size == 2 {
		return end, p.segmentBegins(i) && p.segmentEnds(end)
	}
	ends := p.wordEnds(end)
	if !ends && size >= 4 && p.text[end] == 's' && p.wordEnds(end+1) {
		return end + 1, size >= 8 || p.wordBegins(i)
	}
	return end, size >= 8 || ends && p.wordBegins(i)
}

// wordBegins reports that no letter or digit stands before text[i].
func (p piece) wordBegins(i int) bool {
	c, n := utf8.DecodeLastRuneInString(p.text[:i])
	return n == 0 || !alnum(c)
}

// wordEnds reports that no letter or digit stands at text[i].
func (p piece) wordEnds(i int) bool {
	c, n := utf8.DecodeRuneInString(p.text[i:])
	return n == 0 || !alnum(c)
}

// segmentBegins reports that a component of a path begins at text[i].
func (p piece) segmentBegins(i int) bool {
	if i == 0 {
		return p.head
	}
	return p.text[i-1] == '/' || p.text[i-1] == '\\'
}

// segmentEnds reports that a component of a path, or the stem of its name, ends
// at text[i].
func (p piece) segmentEnds(i int) bool {
	if i == len(p.text) {
		return p.tail
	}
	return p.text[i] == '/' || p.text[i] == '\\' || p.text[i] == '.'
}
