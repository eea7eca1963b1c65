package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTracker walks a clock through a session. What is told is one text: sums of
// seconds for each program, then active seconds.
func TestTracker(t *testing.T) {
	a, b := program{"a", 1}, program{"b", 0}
	const lag = 60
	for _, row := range []struct {
		name string
		do   func(tr *tracker, wait func(seconds int))
		want string
	}{
		{"two programs", func(tr *tracker, wait func(int)) {
			tr.focus(a)
			wait(10)
			tr.focus(b)
			wait(5)
			tr.focus(a)
			wait(1)
		}, "a 11, b 5"},
		{"nothing in front", func(tr *tracker, wait func(int)) {
			wait(3)
			tr.focus(a)
			wait(2)
			tr.focus(program{})
			wait(9)
		}, "a 2"},
		{"locked", func(tr *tracker, wait func(int)) {
			tr.answers()
			tr.focus(a)
			wait(10)
			tr.suspend(true)
			wait(1000)
			tr.resumed() // a key pressed at the lock
			tr.focus(b)
			wait(1000)
			tr.suspend(false)
			wait(3)
		}, "a 10, b 3, active 13"},
		{"idle", func(tr *tracker, wait func(int)) {
			tr.answers()
			wait(100)
			tr.idle(lag * time.Second)
			wait(500)
			tr.resumed()
			wait(20)
			tr.idle(lag * time.Second) // the input was before resumed: nothing negative
			wait(20)
		}, "active 40"},
		{"idle after a flush", func(tr *tracker, wait func(int)) {
			tr.answers()
			wait(100)
			tr.flush(false) // tells 40, holds 60 back
			wait(20)
			tr.idle(lag * time.Second) // the last input was at 60
			wait(9)
		}, "active 20"},
		{"no source of idle time", func(tr *tracker, wait func(int)) { wait(100) }, ""},
		{"the display ends", func(tr *tracker, wait func(int)) {
			tr.take(event{kind: answers})
			tr.take(event{kind: focus, front: a})
			wait(4)
			tr.take(event{kind: gone})
			wait(100)
			tr.take(event{kind: suspend})
			tr.take(event{kind: resume})
			wait(100)
		}, "a 4, active 4"},
	} {
		now := time.Unix(1_000_000, 0)
		tr := newTracker(Wants{true, true}, lag*time.Second, func() time.Time { return now })
		row.do(tr, func(s int) { now = now.Add(time.Duration(s) * time.Second) })
		if got := told(tr.flush(true)); got != row.want {
			t.Errorf("%s: told %q; want %q", row.name, got, row.want)
		}
		if got := told(tr.flush(true)); got != "" {
			t.Errorf("%s: told %q twice", row.name, got)
		}
	}
}

func told(reports []Report) string {
	var words []string
	active := ""
	for _, r := range reports {
		if r.Focus > 0 {
			words = append(words, fmt.Sprintf("%s %d", r.App, r.Focus/1000))
		}
		if r.Active > 0 {
			active = fmt.Sprintf("active %d", r.Active/1000)
		}
	}
	slices.Sort(words)
	if active != "" {
		words = append(words, active)
	}
	return strings.Join(words, ", ")
}

// TestOnlyWhatIsWanted: sums of what is not wanted are not told.
func TestOnlyWhatIsWanted(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for want, told := range map[Wants]string{{true, false}: "a 9", {false, true}: "active 9", {}: ""} {
		tr := newTracker(want, time.Minute, func() time.Time { return now })
		tr.answers()
		tr.focus(program{"a", 1})
		now = now.Add(9 * time.Second)
		if got := toldOf(tr); got != told {
			t.Errorf("%+v: told %q; want %q", want, got, told)
		}
	}
}

func toldOf(tr *tracker) string { return told(tr.flush(true)) }

func TestTrackerIsBounded(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	tr := newTracker(Wants{Focus: true}, time.Minute, func() time.Time { return now })
	for i := range uint32(10_000) {
		tr.focus(program{"x", i + 1})
		now = now.Add(time.Second)
	}
	if n := len(tr.flush(false)); n > maxSums {
		t.Errorf("%d programs in one report; want at most %d", n, maxSums)
	}
}
