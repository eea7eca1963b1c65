package connection

import (
	"net/netip"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// owner is whose a socket is.
type owner struct {
	key        uint64 // of the process, where it is known
	name, path string // of the program
	user, sid  string
}

// holder is a socket whose owner is looked for.
type holder struct {
	inode uint32
	uid   uint32
	owner *owner // nil while not known
	tries uint8
}

// maxTries is how often an owner is looked for. What is not found then is held
// by the kernel, or by a process that may not be looked at.
const maxTries = 2

// wanted reports whether it is worth to look for the owner.
func (h *holder) wanted() bool { return h.owner == nil && h.inode != 0 && h.tries < maxTries }

// flow is one connection that is open.
type flow struct {
	holder
	protocol      uint8
	local, remote netip.AddrPort
	inbound       bool
	since         time.Time // when it was first seen; zero where it is older than the agent
	dump          uint32    // the last dump that saw it
	missing       time.Time // since when dumps do not see it
	suspect       bool      // nobody may tell of its end
	info          tcpInfo   // as last seen
	told          tcpInfo   // what was reported of it, or was there before the agent
	rttMaxUS      uint64
	finIn         bool // the other end has closed
	closed        bool // the kernel told that it ended
}

// see takes over what a dump says.
func (f *flow) see(s *socket) {
	f.info = s.info
	f.rttMaxUS = max(f.rttMaxUS, s.info.rttUS)
	switch s.state {
	case stateCloseWait, stateLastAck, stateClosing:
		f.finIn = true
	}
	if f.inode == 0 {
		f.inode, f.uid = s.inode, s.uid
	}
}

// bytesIn returns what the program could read. The kernel counts the other
// end's FIN as a byte. Where the agent did not see it arrive, it takes it that a
// connection whose own FIN was acknowledged was closed from both sides: the
// figure is one too low where this side closed first and the kernel had put the
// connection away (FIN_WAIT2) before the other end's FIN came.
func (f *flow) bytesIn() uint64 {
	n := f.info.bytesIn
	if n > 0 && (f.finIn || f.info.dataSegsIn == 0 || f.closed && f.finAcked()) {
		n--
	}
	return n
}

// finAcked reports whether our FIN arrived. It counts as a byte, and so does
// the SYN of whoever called.
func (f *flow) finAcked() bool {
	control := uint64(2)
	if f.inbound {
		control = 1
	}
	return f.info.exact && f.info.bytesAcked >= f.info.bytesOut+control
}

// outcome says how an attempt ended, from the counters alone: the kernel does
// not pass on the error that the program got. A segment that came without our
// SYN being acknowledged was a refusal. Silence is a time-out only where the
// kernel tried as often as it may; a program that gave up before, and a host
// that could not be reached, look the same.
func (f *flow) outcome(synRetries uint64) eventv1.Outcome {
	switch {
	case f.protocol != protocolTCP || !f.info.known:
		return eventv1.Outcome_OUTCOME_UNSPECIFIED
	case f.info.bytesAcked > 0 || f.info.bytesIn > 0 || f.inbound:
		return eventv1.Outcome_OUTCOME_ESTABLISHED
	case f.info.segsIn > 0:
		return eventv1.Outcome_OUTCOME_REFUSED
	case f.info.retransmits >= synRetries:
		return eventv1.Outcome_OUTCOME_TIMED_OUT
	}
	return eventv1.Outcome_OUTCOME_ABANDONED
}

// scopeOf says how far away an address is. RFC 6598 addresses count as private.
func scopeOf(a netip.Addr) eventv1.Scope {
	switch {
	case a.IsLoopback():
		return eventv1.Scope_SCOPE_LOOPBACK
	case a.IsMulticast():
		return eventv1.Scope_SCOPE_MULTICAST
	case a.IsLinkLocalUnicast():
		return eventv1.Scope_SCOPE_LINK_LOCAL
	case a.IsPrivate() || a.Is4() && a.As4()[0] == 100 && a.As4()[1]&0xc0 == 64:
		return eventv1.Scope_SCOPE_PRIVATE
	}
	return eventv1.Scope_SCOPE_PUBLIC
}

// loopback returns the loopback address of a's family.
func loopback(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}
