package etw

import (
	"net/netip"
	"strings"
)

const (
	idAsked    = 3006
	idAnswered = 3008
)

// Question is a question to the system's resolver, or what came of it.
type Question struct {
	Name     string // lower case, without the last dot
	Type     uint16
	Answered bool // it is over
	// What came of it: the code of the answer, as servers number them, and whether
	// there was one at all.
	Code      uint8
	Reached   bool
	Addresses []netip.Addr // at most maxAddresses
}

// maxAddresses bounds the addresses of one answer, maxName the name in bytes: DNS
// has none that is longer.
const (
	maxAddresses = 16
	maxName      = 253
)

// ParseQuestion reads the events of DNS-Client that say that a question begins
// (3006) or is over (3008). It reports false for another event, for one that is cut
// short, and for one without a name.
func ParseQuestion(e *Event) (q Question, ok bool) {
	if e.ID != idAsked && e.ID != idAnswered {
		return q, false
	}
	r := reader{b: e.Data}
	q.Name = strings.ToLower(strings.TrimSuffix(r.text(), "."))
	q.Type = uint16(r.word32())
	r.word64() // options
	if e.ID == idAnswered {
		q.Answered = true
		q.Code, q.Reached = codeOf(r.word32())
		q.Addresses = addressesIn(r.text())
	}
	if r.short || q.Name == "" || len(q.Name) > maxName {
		return Question{}, false
	}
	return q, true
}

// codeOf returns the code of the answer in a status of Windows. A server's own
// codes stand from 9001 on (DNS_ERROR_RCODE_FORMAT_ERROR); that a name has no
// record of the type is an answer too.
func codeOf(status uint32) (code uint8, reached bool) {
	const (
		none     = 9501 // DNS_INFO_NO_RECORDS
		rcodes   = 9000
		lastCode = 23
	)
	switch {
	case status == 0, status == none:
		return 0, true
	case status > rcodes && status <= rcodes+lastCode:
		return uint8(status - rcodes), true
	}
	return 0, false
}

// addressesIn returns the addresses in the text of the results: they are separated
// by semicolons, IPv4 in the form of IPv6, beside records of other types.
func addressesIn(results string) (found []netip.Addr) {
	for one := range strings.SplitSeq(results, ";") {
		if a, err := netip.ParseAddr(strings.TrimSpace(one)); err == nil && len(found) < maxAddresses {
			found = append(found, a.Unmap().WithZone(""))
		}
	}
	return found
}
