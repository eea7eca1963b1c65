package privacy

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// exclusions says which events do not leave as the levels alone would have it:
// they are dropped whole, or counted and not described. It sees raw values,
// before anything is filtered, and makes nothing laxer. The nil exclusions
// excludes nothing.
type exclusions struct {
	dropped  programList
	counted  programList
	networks []netip.Prefix // sorted, none within another; empty: every network
	os       OS
	seed     maphash.Seed
	memo     [256]keptFate
}

// fate is what becomes of an event, laxest first.
type fate uint8

const (
	fateDescribed fate = iota // as the levels have it
	fateCounted               // a connection without its other end
	fateDropped
)

// keptFate is the fate of one program of late. Its values are clear, as those of
// keptMessages.
type keptFate struct {
	name, path string
	fate       fate
	set        bool
}

// newExclusions compiles the lists of ctx. It returns nil where all are empty.
func newExclusions(ctx Context) *exclusions {
	if len(ctx.ExcludePrograms)+len(ctx.CountOnlyPrograms)+len(ctx.OnlyNetworks) == 0 {
		return nil
	}
	return &exclusions{
		dropped:  newProgramList(ctx.ExcludePrograms, ctx.OS),
		counted:  newProgramList(ctx.CountOnlyPrograms, ctx.OS),
		networks: outermost(ctx.OnlyNetworks),
		os:       ctx.OS,
		seed:     maphash.MakeSeed(),
	}
}

// outermost returns the prefixes that lie in no other, sorted.
func outermost(list []netip.Prefix) []netip.Prefix {
	sorted := make([]netip.Prefix, 0, len(list))
	for _, p := range list {
		if p.IsValid() {
			sorted = append(sorted, p.Masked())
		}
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	var kept []netip.Prefix
	for _, p := range sorted {
		if n := len(kept); n == 0 || !kept[n-1].Overlaps(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// of returns the fate of ev.
func (x *exclusions) of(ev *eventv1.Event) fate {
	if x == nil {
		return fateDescribed
	}
	program, ok := aboutProgram(ev)
	if !ok {
		return fateDescribed
	}
	f := x.ofProgram(program)
	switch k := ev.Kind.(type) {
	case *eventv1.Event_Connection:
		return max(f, x.ofAddress(k.Connection.GetAddress()))
	case *eventv1.Event_ConnectionSummary:
		return max(f, x.ofAddress(k.ConnectionSummary.GetAddress()))
	case *eventv1.Event_DomainSeen:
		// A name says where a connection leads, or would. Whose it is must be known
		// where some programs' may not leave: not every source can tell.
		unknown := program.GetName() == "" && program.GetPath() == ""
		if f == fateCounted || unknown && !(x.dropped.empty() && x.counted.empty()) {
			return fateDropped
		}
		return f
	}
	if f == fateCounted { // only what it connects to is not described
		return fateDescribed
	}
	return f
}

// aboutProgram returns the program that ev is about. It reports false for the
// kinds that are about none.
func aboutProgram(ev *eventv1.Event) (*eventv1.Program, bool) {
	switch k := ev.Kind.(type) {
	case *eventv1.Event_ProcessStart:
		return k.ProcessStart.GetProgram(), true
	case *eventv1.Event_ProcessStop:
		return k.ProcessStop.GetProgram(), true
	case *eventv1.Event_ExecutionSummary:
		return k.ExecutionSummary.GetProgram(), true
	case *eventv1.Event_Connection:
		return k.Connection.GetProgram(), true
	case *eventv1.Event_ConnectionSummary:
		return k.ConnectionSummary.GetProgram(), true
	case *eventv1.Event_DomainSeen:
		return k.DomainSeen.GetProgram(), true
	case *eventv1.Event_Focus:
		return k.Focus.GetProgram(), true
	}
	return nil, false
}

// ofProgram returns what the lists of programs say of p.
func (x *exclusions) ofProgram(p *eventv1.Program) fate {
	if p == nil || x.dropped.empty() && x.counted.empty() {
		return fateDescribed
	}
	h := maphash.String(x.seed, p.Name)*31 + maphash.String(x.seed, p.Path)
	k := &x.memo[h%uint64(len(x.memo))]
	if k.set && k.name == p.Name && k.path == p.Path {
		return k.fate
	}
	f := fateDescribed
	names, path := rawNames(p, x.os), pathForm(p.Path, x.os)
	switch {
	case x.dropped.holds(names, path):
		f = fateDropped
	case x.counted.holds(names, path):
		f = fateCounted
	}
	if len(p.Name)+len(p.Path) <= keptBytes {
		*k = keptFate{own(p.Name), own(p.Path), f, true}
	}
	return f
}

// ofAddress returns what only_networks says of the other end of a connection.
// One that is not known lies in no network.
func (x *exclusions) ofAddress(v string) fate {
	if len(x.networks) == 0 {
		return fateDescribed
	}
	v, _, _ = strings.Cut(v, "%") // a zone names an interface of this device
	if v == "" {
		return fateCounted
	}
	addr, err := netip.ParseAddr(v)
	if err != nil {
		return fateCounted
	}
	addr = addr.Unmap()
	after, exact := slices.BinarySearchFunc(x.networks, addr, func(p netip.Prefix, a netip.Addr) int { return p.Addr().Compare(a) })
	if exact {
		return fateDescribed
	}
	if after > 0 && x.networks[after-1].Contains(addr) {
		return fateDescribed
	}
	return fateCounted
}

// count filters a connection of which only figures may leave, whatever else the
// levels allow: as a summary without its other end, so that there is one for
// each program, person and interval.
func (f *Filter) count(ev *eventv1.Event) bool {
	m := f.connection.m
	switch k := ev.Kind.(type) {
	case *eventv1.Event_Connection:
		c := k.Connection
		if c == nil {
			return false
		}
		f.fillConnection(c)
		m.Rung = c.Rung
	case *eventv1.Event_ConnectionSummary:
		s := k.ConnectionSummary
		if s == nil {
			return false
		}
		fillSummary(m, s)
	default:
		return false
	}
	m.Address, m.Domain, m.Port = "", "", 0
	m.Transport, m.Direction, m.Scope = 0, 0, 0
	m.DomainSource, m.DomainAmbiguous = 0, false
	return f.finishConnection(ev)
}

// fillSummary copies who and how much of s, and not where to.
func fillSummary(m, s *eventv1.ConnectionSummary) {
	m.Program, m.User, m.Rung = s.Program, s.User, s.Rung
	m.Attempts, m.Established, m.Refused, m.TimedOut = s.Attempts, s.Established, s.Refused, s.TimedOut
	m.Unreachable, m.Abandoned, m.Reset_ = s.Unreachable, s.Abandoned, s.Reset_
	m.ConnectSumUs, m.ConnectSamples = s.ConnectSumUs, s.ConnectSamples
	m.RttMinUs, m.RttSumUs, m.RttSamples, m.RttMaxUs = s.RttMinUs, s.RttSumUs, s.RttSamples, s.RttMaxUs
	m.BytesIn, m.BytesOut = s.BytesIn, s.BytesOut
	m.SegmentsIn, m.SegmentsOut, m.Retransmits = s.SegmentsIn, s.SegmentsOut, s.Retransmits
}
