package agent

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/configs"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Skipf("the machine has no table of zones: %v", err)
	}
	return z
}

func loadSettings(t *testing.T, text string) *configs.Loaded {
	t.Helper()
	l := configs.LoadAgent(configs.AgentPaths{File: writeSettings(t, text)})
	for _, f := range l.Faults {
		t.Fatalf("settings: %v", f)
	}
	return l
}

func writeSettings(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const nightly = "privacy: {preset: classic, quiet: {hours: \"19:00-07:00\"}}\n"

// TestS39PlanInEveryZone: what the wall clock shows where the device is decides.
func TestS39PlanInEveryZone(t *testing.T) {
	const weekends = "privacy: {preset: classic, quiet: {weekends: true}}\n"
	const lunch = "privacy: {preset: classic, quiet: {hours: \"12:00-13:00,02:15-02:45\"}}\n"
	spec := collectors.Spec{Name: "logon", Classes: []privacyv1.Class{privacyv1.Class_LOGONS}}
	for _, c := range []struct {
		name, settings, zone, at string
		quiet                    bool
	}{
		{"evening", nightly, "Europe/Berlin", "2026-03-10T21:30:00Z", true}, // 22:30
		{"begins", nightly, "Europe/Berlin", "2026-03-10T18:00:00Z", true},
		{"just before", nightly, "Europe/Berlin", "2026-03-10T17:59:59Z", false},
		{"ends", nightly, "Europe/Berlin", "2026-03-10T06:00:00Z", false},
		{"just before the end", nightly, "Europe/Berlin", "2026-03-10T05:59:59Z", true},
		{"summer begins earlier", nightly, "Europe/Berlin", "2026-07-10T17:00:00Z", true},
		{"the day the clocks go forward", nightly, "Europe/Berlin", "2026-03-29T05:00:00Z", false}, // 07:00 CEST
		{"a minute before", nightly, "Europe/Berlin", "2026-03-29T04:59:00Z", true},
		{"the day the clocks go back", nightly, "Europe/Berlin", "2026-10-25T05:59:00Z", true}, // 06:59 CET
		{"the end of that night", nightly, "Europe/Berlin", "2026-10-25T06:00:00Z", false},
		{"the same moment elsewhere", nightly, "America/New_York", "2026-03-10T21:30:00Z", false}, // 17:30
		{"and further", nightly, "Asia/Tokyo", "2026-03-10T21:30:00Z", true},                      // 06:30
		{"half an hour beside the hour", nightly, "Asia/Kolkata", "2026-03-10T13:30:00Z", true},   // 19:00
		{"a minute before it", nightly, "Asia/Kolkata", "2026-03-10T13:29:00Z", false},
		{"a quarter beside the hour", nightly, "Asia/Kathmandu", "2026-03-10T01:15:00Z", false}, // 07:00
		{"a minute that is skipped", lunch, "Europe/Berlin", "2026-03-29T01:15:00Z", false},     // 03:15
		{"a minute that comes twice", lunch, "Europe/Berlin", "2026-10-25T00:15:00Z", true},     // 02:15 CEST
		{"its second time", lunch, "Europe/Berlin", "2026-10-25T01:15:00Z", true},               // 02:15 CET
		{"Saturday", weekends, "Pacific/Auckland", "2026-03-13T11:00:00Z", true},                // 00:00
		{"still Friday", weekends, "Pacific/Auckland", "2026-03-13T10:59:00Z", false},
		{"Sunday", weekends, "America/Los_Angeles", "2026-03-16T06:59:00Z", true}, // 23:59
		{"Monday", weekends, "America/Los_Angeles", "2026-03-16T07:00:00Z", false},
		{"nothing is quiet", "privacy: {preset: classic}\n", "Europe/Berlin", "2026-03-10T21:30:00Z", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.at)
			if err != nil {
				t.Fatal(err)
			}
			p := planFor(spec, loadSettings(t, c.settings), at.In(zone(t, c.zone)))
			if got := p.state == "quiet"; got != c.quiet || !got && p.state != "" {
				t.Errorf("planFor(%s in %s) = %q; want quiet: %v", c.at, c.zone, p.state, c.quiet)
			}
			if p.state == "quiet" && p.why == "" {
				t.Error("planFor gives no reason")
			}
		})
	}
}

// TestS39OnlyBehaviour: collectors that serve another class go on, and what is
// off for another reason says so.
func TestS39OnlyBehaviour(t *testing.T) {
	at := time.Date(2026, 3, 10, 22, 30, 0, 0, time.UTC)
	const all = "privacy: {preset: classic, focus_time: full, domains: cleartext, quiet: {hours: \"19:00-07:00\"}}\n"
	want := map[string]string{"focus": "quiet", "activity": "quiet", "logon": "quiet", "domain": "quiet"}
	l := loadSettings(t, all)
	for _, spec := range Builtin() {
		if got := planFor(spec, l, at).state; got != want[spec.Name] {
			t.Errorf("planFor(%s) = %q; want %q", spec.Name, got, want[spec.Name])
		}
		delete(want, spec.Name)
	}
	for name := range want {
		t.Errorf("no collector %s was planned", name)
	}
	mixed := collectors.Spec{Name: "logon", Classes: []privacyv1.Class{privacyv1.Class_LOGONS, privacyv1.Class_PROCESSES}}
	if got := planFor(mixed, l, at).state; got != "" {
		t.Errorf("planFor(mixed) = %q; want it to run", got)
	}
	logon := collectors.Spec{Name: "logon", Classes: []privacyv1.Class{privacyv1.Class_LOGONS}}
	off := loadSettings(t, all+"collectors: {logon: {enabled: false}}\n")
	if got := planFor(logon, off, at).state; got != "disabled" {
		t.Errorf("planFor(disabled) = %q; want disabled", got)
	}
	dropped := loadSettings(t, "privacy: {preset: classic, logons: drop, quiet: {hours: \"19:00-07:00\"}}\n")
	if got := planFor(logon, dropped, at).state; got != "off_by_policy" {
		t.Errorf("planFor(dropped) = %q; want off_by_policy", got)
	}
}

// quietWorld is an agent with one behaviour collector and one other, in a bubble.
type quietWorld struct {
	file                string
	place               atomic.Pointer[time.Location]
	logons, procs       atomic.Int32 // that run now
	agent               *Agent
	changed             chan struct{}
	logonStarts, starts atomic.Int32
}

func newQuietWorld(t *testing.T, settings, place string) *quietWorld {
	t.Helper()
	w := &quietWorld{file: writeSettings(t, settings+"state_dir: "+t.TempDir()+"\n"), changed: make(chan struct{})}
	w.place.Store(zone(t, place))
	counted := func(name string, c privacyv1.Class, running, starts *atomic.Int32) collectors.Spec {
		spec := specOf(func(ctx context.Context, _ collectors.Emit) error {
			running.Add(1)
			starts.Add(1)
			<-ctx.Done()
			running.Add(-1)
			return nil
		})
		spec.Name, spec.Classes = name, []privacyv1.Class{c}
		return spec
	}
	a, err := New(Options{
		Paths: configs.AgentPaths{File: w.file}, Log: quiet(),
		Specs: []collectors.Spec{
			counted("logon", privacyv1.Class_LOGONS, &w.logons, &w.logonStarts),
			counted("process", privacyv1.Class_PROCESSES, &w.procs, &w.starts),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.agent, a.changed = a, w.changed
	a.local = func() time.Time { return time.Now().In(w.place.Load()) }
	ctx, stop := context.WithCancel(t.Context())
	a.apply(ctx, a.loaded)
	worked := make(chan struct{})
	go func() { defer close(worked); a.work(ctx) }()
	t.Cleanup(func() {
		stop()
		<-worked
		for _, s := range a.sups {
			s.halt()
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// sleepUntil sleeps until the clock of a place shows at.
func sleepUntil(t *testing.T, place, at string) {
	t.Helper()
	when, err := time.ParseInLocation("2006-01-02 15:04:05", at, zone(t, place))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(when))
	synctest.Wait()
}

// expect fails the test where the behaviour collector does not run, or does,
// against what is wanted. The other one always runs, and is never restarted.
func (w *quietWorld) expect(t *testing.T, when string, runs bool) {
	t.Helper()
	state := map[bool]string{true: "running", false: "quiet"}[runs]
	if got := w.logons.Load() == 1; got != runs {
		t.Errorf("%s: the collector runs = %v; want %v", when, got, runs)
	}
	if got := w.agent.states()[0].State; got != state {
		t.Errorf("%s: state = %q; want %q", when, got, state)
	}
	if running, starts := w.procs.Load(), w.starts.Load(); running != 1 || starts != 1 {
		t.Errorf("%s: the other collector: %d running, started %d times; want one, once", when, running, starts)
	}
}

// TestS39CollectorsStop: in quiet hours the collector does not run at all, to
// the minute, over a change of clocks and a journey.
func TestS39CollectorsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "Europe/Berlin", "2000-03-25 12:00:30")
		w := newQuietWorld(t, nightly, "Europe/Berlin")
		synctest.Wait()
		w.expect(t, "at noon", true)
		sleepUntil(t, "Europe/Berlin", "2000-03-25 18:59:59")
		w.expect(t, "a second before", true)
		sleepUntil(t, "Europe/Berlin", "2000-03-25 19:00:00")
		w.expect(t, "when it begins", false)
		// The clocks go forward in this night.
		sleepUntil(t, "Europe/Berlin", "2000-03-26 06:59:59")
		w.expect(t, "a second before the end", false)
		if n := w.logonStarts.Load(); n != 1 {
			t.Errorf("the collector was started %d times; want once", n)
		}
		sleepUntil(t, "Europe/Berlin", "2000-03-26 07:00:00")
		w.expect(t, "when it ends", true)

		sleepUntil(t, "Europe/Berlin", "2000-03-26 14:00:30")
		w.place.Store(zone(t, "Asia/Tokyo")) // 21:00 there
		time.Sleep(time.Minute)
		synctest.Wait()
		w.expect(t, "after a journey into the evening", false)
		w.place.Store(zone(t, "America/New_York"))
		time.Sleep(time.Minute)
		synctest.Wait()
		w.expect(t, "after a journey into the morning", true)
	})
}

// TestS39FollowsSettings: quiet hours come and go with the settings, and without
// any there is no timer.
func TestS39FollowsSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "Europe/Berlin", "2000-03-21 22:30:00")
		w := newQuietWorld(t, nightly, "Europe/Berlin")
		synctest.Wait()
		w.expect(t, "at the start", false)
		if n := w.logonStarts.Load(); n != 0 {
			t.Errorf("the collector was started %d times in quiet hours; want never", n)
		}
		was, err := os.ReadFile(w.file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			when, text string
			runs       bool
		}{
			{"without quiet", "privacy: {preset: classic}\nstate_dir: " + w.agent.loaded.Settings.StateDir + "\n", true},
			{"with quiet again", string(was), false},
		} {
			if err := os.WriteFile(w.file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			w.changed <- struct{}{}
			synctest.Wait()
			w.expect(t, c.when, c.runs)
		}
		sleepUntil(t, "Europe/Berlin", "2000-03-22 07:00:00")
		w.expect(t, "in the morning", true)
	})
}

func TestS39NoTimerWithoutQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q quietTimer
		q.follow(configs.Quiet{})
		if q.due() != nil {
			t.Error("there is a timer; want none while nothing is quiet")
		}
		time.Sleep(20 * time.Second)
		q.follow(configs.Quiet{Weekends: true})
		defer q.stop()
		began := time.Now()
		<-q.due()
		if got := time.Since(began); got != 40*time.Second {
			t.Errorf("the timer went off after %v; want 40s, at the whole minute", got)
		}
		q.follow(configs.Quiet{})
		if q.due() != nil {
			t.Error("there is still a timer; want none")
		}
	})
}
