package privacy

import (
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// At level summary an event of a process or connection becomes a summary of one
// before it is filtered, in memory that the Filter owns for as long as the call
// takes.

// scratch is one event to convert into. Its message is empty between calls.
type scratch[M any] struct {
	ev *eventv1.Event
	m  *M
}

func (s *scratch[M]) wrap(event func(*M) *eventv1.Event) {
	s.m = new(M)
	s.ev = event(s.m)
}

// shortLived is the lifetime under which a process counts as short-lived, in
// milliseconds.
const shortLived = 1000

// convertStart filters a start as an execution summary. A process that ran
// already when the agent came did not start now: there is nothing to count.
func (f *Filter) convertStart(ev *eventv1.Event, start *eventv1.ProcessStart) bool {
	if start == nil || start.Inventory {
		return false
	}
	m := f.execution.m
	m.Program, m.User = start.Program, start.User
	m.Starts = 1
	return f.finishExecution(ev)
}

// convertStop filters a stop as an execution summary.
func (f *Filter) convertStop(ev *eventv1.Event, stop *eventv1.ProcessStop) bool {
	if stop == nil {
		return false
	}
	m := f.execution.m
	m.Program, m.User = stop.Program, stop.User
	m.Stops = 1
	m.ShortLived = count(stop.LifetimeMs < shortLived && lifetimeKnown(stop))
	m.Crashes = count(f.crashed(stop))
	m.RunningMs = stop.LifetimeMs
	m.CpuUserMs, m.CpuSystemMs = stop.CpuUserMs, stop.CpuSystemMs
	m.MemorySumBytes, m.MemorySamples = stop.MaxRssBytes, count(stop.MaxRssBytes > 0)
	m.MemoryMaxBytes = stop.MaxRssBytes
	m.ReadBytes, m.WrittenBytes = stop.ReadBytes, stop.WrittenBytes
	return f.finishExecution(ev)
}

// finishExecution filters what stands in the scratch summary, and empties it.
func (f *Filter) finishExecution(ev *eventv1.Event) bool {
	s := &f.execution
	s.ev.TimeUnixMs = ev.TimeUnixMs
	ok := f.finish(s.ev)
	m := s.m
	m.Program, m.User = nil, nil
	m.Starts, m.Stops, m.ShortLived, m.Crashes = 0, 0, 0, 0
	m.RunningMs, m.CpuUserMs, m.CpuSystemMs = 0, 0, 0
	m.MemorySumBytes, m.MemorySamples, m.MemoryMaxBytes = 0, 0, 0
	m.ReadBytes, m.WrittenBytes = 0, 0
	return ok
}

func count(yes bool) uint64 {
	if yes {
		return 1
	}
	return 0
}

// lifetimeKnown tells a life of less than a millisecond from one of unknown
// length. A source that is told of the end knows the beginning; one that
// compares snapshots may not.
func lifetimeKnown(stop *eventv1.ProcessStop) bool {
	switch stop.Rung {
	case eventv1.Rung_RUNG_EBPF, eventv1.Rung_RUNG_NETLINK, eventv1.Rung_RUNG_NATIVE:
		return true
	}
	return stop.LifetimeMs > 0
}

// Numbers of signals, from asm-generic/signal.h and sys/signal.h of macOS.
const (
	sigILL       = 4
	sigABRT      = 6
	sigBusLinux  = 7
	sigFPE       = 8
	sigBusDarwin = 10
	sigSEGV      = 11
)

// crashed reports whether the process ended by a fault of its own.
func (f *Filter) crashed(stop *eventv1.ProcessStop) bool {
	switch stop.Signal {
	case sigILL, sigABRT, sigFPE, sigSEGV:
		return true
	case sigBusLinux:
		return f.os != Darwin // SIGEMT there
	case sigBusDarwin:
		return f.os == Darwin // SIGUSR1 elsewhere
	}
	// An NTSTATUS of severity error, such as 0xC0000005, access violation.
	// https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-erref/
	return stop.Signal == 0 && uint32(stop.ExitCode)>>28 == 0xC
}

// convertConnection filters a connection as a connection summary. An interim
// report is no attempt: it brings bytes and round-trip times only. An attempt
// counts under the one outcome that it ended with.
func (f *Filter) convertConnection(ev *eventv1.Event, c *eventv1.Connection) bool {
	if c == nil {
		return false
	}
	m := f.connection.m
	m.Address, m.Domain = c.Address, c.Domain
	m.Port, m.Transport, m.Direction, m.Scope = c.Port, c.Transport, c.Direction, c.Scope
	m.DomainSource, m.DomainAmbiguous, m.Rung = c.DomainSource, c.DomainAmbiguous, c.Rung
	f.fillConnection(c)
	return f.finishConnection(ev)
}

// fillConnection copies who and how much of c, and not where to.
func (f *Filter) fillConnection(c *eventv1.Connection) {
	m := f.connection.m
	m.Program, m.User = c.Program, c.User
	if !c.Interim {
		countOutcome(m, c.Outcome)
		m.Attempts = 1
		m.ConnectSumUs, m.ConnectSamples = c.ConnectUs, count(c.ConnectUs > 0)
	}
	m.RttMinUs, m.RttMaxUs = c.RttMinUs, c.RttMaxUs
	m.RttSumUs, m.RttSamples = c.RttAvgUs, count(c.RttAvgUs > 0)
	m.BytesIn, m.BytesOut = c.BytesIn, c.BytesOut
	m.SegmentsIn, m.SegmentsOut, m.Retransmits = c.SegmentsIn, c.SegmentsOut, c.Retransmits
}

// finishConnection filters what stands in the scratch summary, and empties it.
func (f *Filter) finishConnection(ev *eventv1.Event) bool {
	s := &f.connection
	s.ev.TimeUnixMs = ev.TimeUnixMs
	ok := f.finish(s.ev)
	m := s.m
	m.Program, m.User, m.Address, m.Domain = nil, nil, "", ""
	m.Attempts, m.ConnectSumUs, m.ConnectSamples = 0, 0, 0
	m.Established, m.Refused, m.TimedOut = 0, 0, 0
	m.Unreachable, m.Abandoned, m.Reset_ = 0, 0, 0
	return ok
}

func countOutcome(m *eventv1.ConnectionSummary, o eventv1.Outcome) {
	switch o {
	case eventv1.Outcome_OUTCOME_ESTABLISHED:
		m.Established = 1
	case eventv1.Outcome_OUTCOME_REFUSED:
		m.Refused = 1
	case eventv1.Outcome_OUTCOME_TIMED_OUT:
		m.TimedOut = 1
	case eventv1.Outcome_OUTCOME_UNREACHABLE:
		m.Unreachable = 1
	case eventv1.Outcome_OUTCOME_ABANDONED:
		m.Abandoned = 1
	case eventv1.Outcome_OUTCOME_RESET:
		m.Reset_ = 1
	}
}
