package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// kept is a sink that decodes what it is given.
type kept struct {
	t   *testing.T
	err error

	mu     sync.Mutex // guards what follows
	events []*eventv1.Event
	digest [][32]byte
	lost   map[eventv1.LossReason]uint64
}

// all returns what has come so far.
func (k *kept) all() []*eventv1.Event {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.events)
}

func (k *kept) ReportLoss(reason eventv1.LossReason, count uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lost == nil {
		k.lost = map[eventv1.LossReason]uint64{}
	}
	k.lost[reason] += count
	return nil
}

func (k *kept) Append(c privacy.Cleared) error {
	if k.err != nil {
		return k.err
	}
	ev := &eventv1.Event{}
	if err := proto.Unmarshal(c.AppendTo(nil), ev); err != nil {
		k.t.Errorf("what reached the spool is no event: %v", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events, k.digest = append(k.events, ev), append(k.digest, c.Stamp().Digest)
	return nil
}

func filterFor(t *testing.T, levels map[privacy.Key]privacy.Level) *privacy.Filter {
	t.Helper()
	p, _ := privacy.Preset("balanced")
	for k, l := range levels {
		var ok bool
		if p, ok = p.With(k, l); !ok {
			t.Fatalf("%s has no level %s", k, l)
		}
	}
	return privacy.NewFilter(p, privacy.Context{OS: privacy.Linux, Host: "h", Location: time.UTC}, nil)
}

func start(at time.Time, path string) *eventv1.Event {
	return &eventv1.Event{TimeUnixMs: at.UnixMilli(), Kind: &eventv1.Event_ProcessStart{ProcessStart: &eventv1.ProcessStart{
		Pid: 7, Program: &eventv1.Program{Name: "true", Path: path}, User: &eventv1.User{Name: "jdoe", Sid: "1000"},
	}}}
}

func TestNothingPassesWithoutFilter(t *testing.T) {
	k := &kept{t: t}
	p := newPipeline(quiet(), k, time.Now)
	if p.emit(start(time.Now(), "/usr/bin/true")) {
		t.Error("emit without a filter let an event through; want it dropped")
	}
	if len(k.all()) != 0 {
		t.Errorf("%d events reached the spool without a filter; want 0", len(k.all()))
	}
}

func TestSummariesMergeAndFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kept{t: t}
		p := newPipeline(quiet(), k, time.Now)
		p.use(filterFor(t, nil), 5*time.Minute)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { p.run(ctx); close(done) }()
		noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		for range 3 {
			p.emit(start(noon, "/usr/bin/true"))
		}
		p.emit(start(noon, "/usr/bin/false"))
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		if len(k.all()) != 0 {
			t.Fatalf("%d summaries left before they were due; want 0", len(k.all()))
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		starts := map[string]uint64{}
		for _, ev := range k.all() {
			starts[ev.GetExecutionSummary().GetProgram().GetPath()] += ev.GetExecutionSummary().GetStarts()
		}
		if len(k.all()) != 2 || starts["/usr/bin/true"] != 3 || starts["/usr/bin/false"] != 1 {
			t.Errorf("summaries = %d, starts %v; want 2 with 3 and 1 starts", len(k.all()), starts)
		}
		p.emit(start(noon, "/usr/bin/true"))
		stop()
		<-done
		if len(k.all()) != 3 {
			t.Errorf("%d summaries after the stop; want the one that waited too", len(k.all()))
		}
	})
}

// TestPolicyChangeIsWhole checks that what waits under the old policy goes to the
// spool before the new one is in force.
func TestPolicyChangeIsWhole(t *testing.T) {
	k := &kept{t: t}
	p := newPipeline(quiet(), k, time.Now)
	p.use(filterFor(t, nil), time.Hour)
	p.emit(start(time.Now(), "/usr/bin/true"))
	p.use(filterFor(t, map[privacy.Key]privacy.Level{privacy.ProgramPath: privacy.Drop}), time.Hour)
	if n := len(k.all()); n != 1 {
		t.Fatalf("%d summaries in the spool when the new policy is in force; want the one that waited", n)
	}
	p.emit(start(time.Now(), "/usr/bin/true"))
	p.flushNow()
	if len(k.all()) != 2 || k.digest[0] == k.digest[1] {
		t.Fatalf("%d summaries under %d digests; want one under each", len(k.all()), len(k.digest))
	}
	if got := k.all()[0].GetExecutionSummary().GetProgram().GetPath(); got != "/usr/bin/true" {
		t.Errorf("path under the old policy = %q; want it", got)
	}
	if got := k.all()[1].GetExecutionSummary().GetProgram().GetPath(); got != "" {
		t.Errorf("path under the new policy = %q; want none", got)
	}
}

func TestSummariesAreBounded(t *testing.T) {
	k := &kept{t: t}
	p := newPipeline(quiet(), k, time.Now)
	p.use(filterFor(t, nil), time.Hour)
	for i := range maxSummaries + 1 {
		p.emit(start(time.Unix(int64(i)*900, 0), "/usr/bin/true"))
	}
	if n := p.counts().Waiting; n != 1 || len(k.all()) != maxSummaries {
		t.Errorf("waiting %d, in the spool %d; want 1 and %d", n, len(k.all()), maxSummaries)
	}
}

func TestSpoolFailureIsCounted(t *testing.T) {
	k := &kept{t: t, err: errors.New("disk full")}
	p := newPipeline(quiet(), k, time.Now)
	p.use(filterFor(t, map[privacy.Key]privacy.Level{privacy.Processes: privacy.Each}), time.Hour)
	for range 3 {
		p.emit(start(time.Now(), "/usr/bin/true"))
	}
	if n := p.counts().Failed; n != 3 {
		t.Errorf("failed = %d; want 3", n)
	}
}
