package privacy

import (
	"testing"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	"google.golang.org/protobuf/proto"
)

func stopEvent(m *eventv1.ProcessStop) *eventv1.Event {
	return &eventv1.Event{TimeUnixMs: sampleTime.UnixMilli(), Kind: &eventv1.Event_ProcessStop{ProcessStop: m}}
}

func startEvent(m *eventv1.ProcessStart) *eventv1.Event {
	return &eventv1.Event{TimeUnixMs: sampleTime.UnixMilli(), Kind: &eventv1.Event_ProcessStart{ProcessStart: m}}
}

func connectionEvent(m *eventv1.Connection) *eventv1.Event {
	return &eventv1.Event{TimeUnixMs: sampleTime.UnixMilli(), Kind: &eventv1.Event_Connection{Connection: m}}
}

func TestProcessSummaries(t *testing.T) {
	const ebpf, poll = eventv1.Rung_RUNG_EBPF, eventv1.Rung_RUNG_POLL
	tests := []struct {
		name string
		os   OS
		ev   *eventv1.Event
		want *eventv1.ExecutionSummary // nil: dropped
	}{
		{"start", Linux, startEvent(&eventv1.ProcessStart{Pid: 7, StartKey: 8, Session: 9}), &eventv1.ExecutionSummary{Starts: 1}},
		{"ran already", Linux, startEvent(&eventv1.ProcessStart{Inventory: true}), nil},
		{"stop", Linux, stopEvent(&eventv1.ProcessStop{
			LifetimeMs: 5000, CpuUserMs: 11, CpuSystemMs: 12, MaxRssBytes: 13, ReadBytes: 14, WrittenBytes: 15, ExitCode: 1,
		}), &eventv1.ExecutionSummary{
			Stops: 1, RunningMs: 5000, CpuUserMs: 11, CpuSystemMs: 12,
			MemorySumBytes: 13, MemorySamples: 1, MemoryMaxBytes: 13, ReadBytes: 14, WrittenBytes: 15,
		}},
		{"a second", Linux, stopEvent(&eventv1.ProcessStop{LifetimeMs: 1000}), &eventv1.ExecutionSummary{Stops: 1, RunningMs: 1000}},
		{"under a second", Linux, stopEvent(&eventv1.ProcessStop{LifetimeMs: 999}), &eventv1.ExecutionSummary{Stops: 1, ShortLived: 1, RunningMs: 999}},
		{"under a millisecond", Linux, stopEvent(&eventv1.ProcessStop{Rung: ebpf}), &eventv1.ExecutionSummary{Stops: 1, ShortLived: 1}},
		{"of unknown lifetime", Linux, stopEvent(&eventv1.ProcessStop{Rung: poll}), &eventv1.ExecutionSummary{Stops: 1}},
		{"SIGSEGV", Linux, stopEvent(&eventv1.ProcessStop{Signal: 11}), &eventv1.ExecutionSummary{Stops: 1, Crashes: 1}},
		{"SIGILL", Linux, stopEvent(&eventv1.ProcessStop{Signal: 4}), &eventv1.ExecutionSummary{Stops: 1, Crashes: 1}},
		{"SIGABRT", Linux, stopEvent(&eventv1.ProcessStop{Signal: 6}), &eventv1.ExecutionSummary{Stops: 1, Crashes: 1}},
		{"SIGFPE", Darwin, stopEvent(&eventv1.ProcessStop{Signal: 8}), &eventv1.ExecutionSummary{Stops: 1, Crashes: 1}},
		{"SIGBUS on Linux", Linux, stopEvent(&eventv1.ProcessStop{Signal: 7}), &eventv1.ExecutionSummary{Stops: 1, Crashes: 1}},
		{"SIGBUS on macOS", Darwin, stopEvent(&eventv1.ProcessStop{Signal: 10}), &eventv1.ExecutionSummary{Stops: 1, Crashes: 1}},
		{"SIGUSR1 on Linux", Linux, stopEvent(&eventv1.ProcessStop{Signal: 10}), &eventv1.ExecutionSummary{Stops: 1}},
		{"SIGEMT on macOS", Darwin, stopEvent(&eventv1.ProcessStop{Signal: 7}), &eventv1.ExecutionSummary{Stops: 1}},
		{"SIGTRAP", Linux, stopEvent(&eventv1.ProcessStop{Signal: 5}), &eventv1.ExecutionSummary{Stops: 1}},
		{"SIGTERM", Linux, stopEvent(&eventv1.ProcessStop{Signal: 15}), &eventv1.ExecutionSummary{Stops: 1}},
		{"access violation", Windows, stopEvent(&eventv1.ProcessStop{ExitCode: -0x3ffffffb}), &eventv1.ExecutionSummary{Stops: 1, Crashes: 1}},
		{"last exception code", Windows, stopEvent(&eventv1.ProcessStop{ExitCode: -0x30000001}), &eventv1.ExecutionSummary{Stops: 1, Crashes: 1}},
		{"after the exception codes", Windows, stopEvent(&eventv1.ProcessStop{ExitCode: -0x30000000}), &eventv1.ExecutionSummary{Stops: 1}},
		{"exit code -1", Windows, stopEvent(&eventv1.ProcessStop{ExitCode: -1}), &eventv1.ExecutionSummary{Stops: 1}},
	}
	p := preset(t, "balanced")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := NewFilter(p, testContext(tt.os), testKeys(t))
			for range 2 { // the second shows that nothing of the first is left
				assertSummary(t, f, tt.ev, tt.want, (*eventv1.Event).GetExecutionSummary)
			}
		})
	}
}

// assertSummary compares what f makes of ev with want, key fields aside.
func assertSummary[M proto.Message](t *testing.T, f *Filter, ev *eventv1.Event, want M, get func(*eventv1.Event) M) {
	t.Helper()
	c, ok := f.Apply(ev)
	if wanted := want.ProtoReflect().IsValid(); ok != wanted {
		t.Fatalf("Apply = %v; want %v", ok, wanted)
	}
	if !ok {
		return
	}
	if !c.Summary() {
		t.Error("Summary() = false")
	}
	got := decode(t, c)
	if wantTime := sampleTime.Truncate(15 * time.Minute).UnixMilli(); got.TimeUnixMs != wantTime || got.BucketSeconds != 900 {
		t.Errorf("bucket = %d s from %d; want 900 from %d", got.BucketSeconds, got.TimeUnixMs, wantTime)
	}
	if m := get(got); !proto.Equal(m, want) {
		t.Errorf("summary = %v; want %v", m, want)
	}
}

func TestConnectionSummaries(t *testing.T) {
	attempt := func(o eventv1.Outcome) *eventv1.Event { return connectionEvent(&eventv1.Connection{Outcome: o}) }
	tests := []struct {
		name string
		ev   *eventv1.Event
		want *eventv1.ConnectionSummary
	}{
		{"figures", connectionEvent(&eventv1.Connection{
			Port: 443, Transport: eventv1.Transport_TRANSPORT_TCP, Direction: eventv1.Direction_DIRECTION_OUTBOUND,
			Scope: eventv1.Scope_SCOPE_PUBLIC, Outcome: eventv1.Outcome_OUTCOME_ESTABLISHED, DurationMs: 9,
			ConnectUs: 10, RttMinUs: 11, RttAvgUs: 12, RttMaxUs: 13, BytesIn: 14, BytesOut: 15, SegmentsIn: 16,
			SegmentsOut: 17, Retransmits: 18, Rung: eventv1.Rung_RUNG_EBPF,
		}), &eventv1.ConnectionSummary{
			Port: 443, Transport: eventv1.Transport_TRANSPORT_TCP, Direction: eventv1.Direction_DIRECTION_OUTBOUND,
			Scope: eventv1.Scope_SCOPE_PUBLIC, Rung: eventv1.Rung_RUNG_EBPF, Attempts: 1, Established: 1,
			ConnectSumUs: 10, ConnectSamples: 1, RttMinUs: 11, RttSumUs: 12, RttSamples: 1, RttMaxUs: 13,
			BytesIn: 14, BytesOut: 15, SegmentsIn: 16, SegmentsOut: 17, Retransmits: 18,
		}},
		{"interim", connectionEvent(&eventv1.Connection{
			Interim: true, Outcome: eventv1.Outcome_OUTCOME_ESTABLISHED, ConnectUs: 10, RttAvgUs: 12, BytesIn: 14,
		}), &eventv1.ConnectionSummary{RttSumUs: 12, RttSamples: 1, BytesIn: 14}},
		{"nothing measured", attempt(0), &eventv1.ConnectionSummary{Attempts: 1}},
		{"refused", attempt(eventv1.Outcome_OUTCOME_REFUSED), &eventv1.ConnectionSummary{Attempts: 1, Refused: 1}},
		{"timed out", attempt(eventv1.Outcome_OUTCOME_TIMED_OUT), &eventv1.ConnectionSummary{Attempts: 1, TimedOut: 1}},
		{"unreachable", attempt(eventv1.Outcome_OUTCOME_UNREACHABLE), &eventv1.ConnectionSummary{Attempts: 1, Unreachable: 1}},
		{"abandoned", attempt(eventv1.Outcome_OUTCOME_ABANDONED), &eventv1.ConnectionSummary{Attempts: 1, Abandoned: 1}},
		{"reset", attempt(eventv1.Outcome_OUTCOME_RESET), &eventv1.ConnectionSummary{Attempts: 1, Reset_: 1}},
		{"an outcome that the schema does not name", attempt(99), &eventv1.ConnectionSummary{Attempts: 1}},
	}
	f := newSampleFilter(t, preset(t, "balanced"))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				assertSummary(t, f, tt.ev, tt.want, (*eventv1.Event).GetConnectionSummary)
			}
		})
	}
}

// TestDaySummaries: a summary of a day names nobody, made of a raw event or sent
// as one; and the name is known to the scrub all the same.
func TestDaySummaries(t *testing.T) {
	f := newSampleFilter(t, with(t, laxestSummaries(t), SummaryInterval, Day))
	user := &eventv1.User{Name: "zzcanary", Sid: "1000"}
	program := &eventv1.Program{Name: "zzcanary-tool"}
	for name, ev := range map[string]*eventv1.Event{
		"start":              startEvent(&eventv1.ProcessStart{User: user, Program: program}),
		"connection":         connectionEvent(&eventv1.Connection{User: user, Program: program}),
		"execution_summary":  {Kind: &eventv1.Event_ExecutionSummary{ExecutionSummary: &eventv1.ExecutionSummary{User: user, Program: program}}},
		"connection_summary": {Kind: &eventv1.Event_ConnectionSummary{ConnectionSummary: &eventv1.ConnectionSummary{User: user, Program: program}}},
	} {
		c, ok := f.Apply(ev)
		if !ok {
			t.Fatalf("Apply(%s) = false", name)
		}
		got := decode(t, c)
		if got.GetExecutionSummary().GetUser() != nil || got.GetConnectionSummary().GetUser() != nil {
			t.Errorf("%s of a day names a person", name)
		}
		p := got.GetExecutionSummary().GetProgram()
		if p == nil {
			p = got.GetConnectionSummary().GetProgram()
		}
		if p.GetName() != "<id>-tool" {
			t.Errorf("%s of a day: program name = %q; want <id>-tool", name, p.GetName())
		}
		if got.BucketSeconds != 86400 {
			t.Errorf("%s of a day: bucket_seconds = %d; want 86400", name, got.BucketSeconds)
		}
	}
}

// laxestSummaries lets out all, but processes and connections as summaries, and
// program names scrubbed.
func laxestSummaries(t testing.TB) Policy {
	p := with(t, laxest(), Processes, Summary)
	return with(t, with(t, p, Connections, Summary), ProgramName, Generalised)
}

// TestNamesAreMetFirst: the name of a person who was never seen before is
// scrubbed from the very event that brings it.
func TestNamesAreMetFirst(t *testing.T) {
	f := newSampleFilter(t, preset(t, "balanced"))
	c, ok := f.Apply(startEvent(&eventv1.ProcessStart{
		Program: &eventv1.Program{Name: "zzcanary-tool", Path: "/opt/zzcanary/tool"},
		User:    &eventv1.User{Name: "zzcanary", Sid: "1000"},
	}))
	if !ok {
		t.Fatal("Apply = false")
	}
	p := decode(t, c).GetExecutionSummary().GetProgram()
	if p.GetName() != "<id>-tool" || p.GetPath() != "/opt/<id>/tool" {
		t.Errorf("program = %q, %q; want <id>-tool, /opt/<id>/tool", p.GetName(), p.GetPath())
	}
}

func TestIdentityStatus(t *testing.T) {
	const ok, off = eventv1.IdentityStatus_IDENTITY_STATUS_OK, eventv1.IdentityStatus_IDENTITY_STATUS_OFF_BY_POLICY
	tests := []struct {
		name        string
		ssid, bssid Level
		want        eventv1.IdentityStatus
	}{
		{"both dropped", Drop, Drop, off},
		{"ssid leaves", Label, Drop, ok},
		{"bssid leaves", Drop, Generalised, ok},
		{"both leave", Hashed, Hashed, ok},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := with(t, with(t, preset(t, "balanced"), WifiSSID, tt.ssid), WifiBSSID, tt.bssid)
			c, _ := newSampleFilter(t, p).Apply(&eventv1.Event{Kind: &eventv1.Event_WifiLink{WifiLink: &eventv1.WifiLink{IdentityStatus: ok}}})
			if got := decode(t, c).GetWifiLink().GetIdentityStatus(); got != tt.want {
				t.Errorf("identity_status = %v; want %v", got, tt.want)
			}
		})
	}
}
