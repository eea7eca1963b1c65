package configs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestNoticeAndClocks: a clock that is set shortens no notice while the system
// runs, and over its restart only by being set forward.
func TestNoticeAndClocks(t *testing.T) {
	const h = time.Hour
	type look struct {
		clock time.Duration // what the device's clock shows, from the first look
		boot  string
		up    time.Duration
		want  time.Duration
	}
	for name, looks := range map[string][]look{
		"nothing is set":                   {{0, "a", 5 * h, 0}, {2 * h, "a", 7 * h, 2 * h}},
		"set forward":                      {{0, "a", 5 * h, 0}, {900 * h, "a", 6 * h, h}},
		"set back":                         {{0, "a", 5 * h, 0}, {-900 * h, "a", 6 * h, h}, {-899 * h, "a", 7 * h, 2 * h}},
		"back and forth":                   {{0, "a", 0, 0}, {-h, "a", 0, 0}, {0, "a", 0, 0}, {-h, "a", 0, 0}, {0, "a", 0, 0}},
		"restart of the system":            {{0, "a", 5 * h, 0}, {2 * h, "b", h, 2 * h}, {3 * h, "b", 2 * h, 3 * h}},
		"starts in the past, then is set":  {{0, "a", 5 * h, 0}, {-900 * h, "b", 0, 0}, {3 * h, "b", h, h}, {4 * h, "c", 0, 2 * h}},
		"no boot clock":                    {{0, "", 0, 0}, {2 * h, "", 0, 2 * h}},
		"no boot clock, back and forth":    {{0, "", 0, 0}, {-h, "", 0, 0}, {0, "", 0, 0}, {-h, "", 0, 0}, {h, "", 0, h}},
		"a boot clock that goes backwards": {{0, "a", 5 * h, 0}, {h, "a", 4 * h, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
			var w waited
			for i, l := range looks {
				if w = w.until(start.Add(l.clock), boot{l.boot, l.up}); w.Time != l.want {
					t.Errorf("look %d: waited %v; want %v", i, w.Time, l.want)
				}
			}
		})
	}
}

// TestSignedFloorClockIsSet: the notice of a floor goes by the boot clock.
func TestSignedFloorClockIsSet(t *testing.T) {
	w := newFloorWorld(t, clear)
	w.boot = boot{"a", time.Hour}
	w.give(1, "14d", "username: hashed", 1, 2)
	w.check("signed", "hashed", "")
	w.give(2, "14d", "username: cleartext", 1, 2)
	w.check("looser: not yet", "hashed", "")
	w.now, w.boot.Up = w.now.AddDate(1, 0, 0), w.boot.Up+time.Hour
	w.restart()
	l := w.check("a year on by the clock, an hour by the boot clock", "hashed", "")
	if want := w.now.Add(fortnight - time.Hour); len(l.Pending) != 1 || !l.Pending[0].At.Equal(want) {
		t.Errorf("pending %v; want it at %v", l.Pending, want)
	}
	w.boot.Up += fortnight
	w.check("after the notice", "cleartext", "")
}

func TestBootClockRuns(t *testing.T) {
	a := readBoot()
	b := readBoot()
	if a.ID != b.ID || b.Up < a.Up {
		t.Errorf("readBoot() = %v, then %v; want the same start, not earlier", a, b)
	}
}

// TestWatchWakesForTime: when time alone changes what the files say it is told
// once, at that time, and not once more until they are read again.
func TestWatchWakesForTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := loaderOf(memory{"/c/agent.yaml": "{}"})
		good(t, l.Load())
		start := time.Now()
		var told []time.Duration
		w := l.watcher(func() { told = append(told, time.Since(start)) })
		w.disk, w.open = l.disk, func() (notifier, error) { return newFakeNotifier(), nil }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.run(ctx, l.seen) }()
		set := func(d time.Duration) { // as a Load does
			l.mu.Lock()
			l.next = time.Now().Add(d)
			l.mu.Unlock()
			l.read <- struct{}{}
		}
		set(10 * time.Second)
		time.Sleep(10 * time.Minute)
		set(90 * time.Second)
		time.Sleep(10 * time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run() = %v; want nil", err)
		}
		if len(told) != 2 || told[0] != 10*time.Second || told[1] != 10*time.Minute+90*time.Second {
			t.Errorf("told at %v; want 10s and 11m30s", told)
		}
	})
}

// TestBundlesAreDue: the time at which a push begins or ends, and a floor begins, is
// when the files are to be read again.
func TestBundlesAreDue(t *testing.T) {
	begins, ends := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)
	dated := func(payload string) string {
		payload = strings.Replace(payload, "2020-01-01T00:00:00Z", begins.Format(time.RFC3339), 1)
		return strings.Replace(payload, "2120-01-01T00:00:00Z", ends.Format(time.RFC3339), 1)
	}
	push := func(w *floorWorld) {
		w.pinFor("push")
		put(w.t, w.paths.PushFile, string(seal(dated(payloadOf(1, "privacy: {username: drop}")), keysOf([]byte{1, 2})...)))
	}
	floor := func(w *floorWorld) {
		put(w.t, w.paths.FloorFile, string(sealAs(floorType, dated(payloadOf(1, "privacy_floor: {username: drop}"))+"notice: 1d\n", keysOf([]byte{1, 2})...)))
	}
	for name, row := range map[string]struct {
		do   func(*floorWorld)
		now  time.Time
		want time.Time
	}{
		"a push before it begins":  {push, begins.Add(-time.Hour), begins},
		"a push while it holds":    {push, begins, ends},
		"a push after its end":     {push, ends, time.Time{}},
		"a floor before it begins": {floor, begins.Add(-time.Hour), begins},
		"a floor that holds":       {floor, begins, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFloorWorld(t, clear)
			w.now = row.now
			row.do(w)
			if got := w.l.Load().Next; !got.Equal(row.want) {
				t.Errorf("Next = %v; want %v", got, row.want)
			}
		})
	}
}

func (w *floorWorld) pinFor(use string) {
	w.pinAgain(clear)
	data, err := os.ReadFile(w.paths.File)
	if err != nil {
		w.t.Fatal(err)
	}
	put(w.t, w.paths.File, strings.Replace(string(data), "trust: {floor", "trust: {"+use, 1))
}

// TestLastGoodSweepsUp: what a crash left half written goes with the next load.
func TestLastGoodSweepsUp(t *testing.T) {
	w := newFloorWorld(t, clear)
	torn := filepath.Join(w.state, newPrefix+"123")
	put(t, torn, "half")
	w.give(1, "14d", "username: hashed", 1, 2)
	w.check("signed", "hashed", "")
	if _, err := os.Stat(torn); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat(%s) = %v; want it gone", filepath.Base(torn), err)
	}
	if _, err := os.Stat(filepath.Join(w.state, floorState)); err != nil {
		t.Errorf("the floor's record is gone with it: %v", err)
	}
}
