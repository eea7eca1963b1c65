package session

import (
	"reflect"
	"testing"
	"time"
)

// TestSamples: only changes are told, and a lock before what is in front behind it.
func TestSamples(t *testing.T) {
	editor, mail := program{"Editor", 10}, program{"Mail", 11}
	s := samples{want: Wants{Focus: true, Activity: true}, lag: time.Minute}
	for _, step := range []struct {
		name string
		now  sample
		want []event
		wait time.Duration
	}{
		{"at first", sample{front: editor}, []event{{kind: focus, front: editor}, {kind: answers}}, askFocus},
		{"nothing new", sample{front: editor, quiet: 59 * time.Second}, nil, askFocus},
		{"another program", sample{front: mail, quiet: time.Second}, []event{{kind: focus, front: mail}}, askFocus},
		{"no input", sample{front: mail, quiet: 61 * time.Second}, []event{{kind: idle, quiet: 61 * time.Second}}, askIdle},
		{"still none", sample{front: mail, quiet: 71 * time.Second}, nil, askIdle},
		{"input", sample{front: mail}, []event{{kind: resumed}}, askFocus},
		{"locked", sample{front: program{"loginwindow", 1}, away: true}, []event{{kind: suspend}, {kind: focus, front: program{"loginwindow", 1}}}, askIdle},
		{"unlocked", sample{front: mail}, []event{{kind: resume}, {kind: focus, front: mail}}, askFocus},
		{"nothing in front", sample{}, []event{{kind: focus}}, askFocus},
	} {
		var got []event
		s.take(step.now, func(e event) { got = append(got, e) })
		if !reflect.DeepEqual(got, step.want) || s.wait() != step.wait {
			t.Errorf("%s: take() = %+v, wait %v; want %+v, %v", step.name, got, s.wait(), step.want, step.wait)
		}
	}
	var got []event
	idleAtFirst := samples{want: Wants{Activity: true}, lag: time.Minute}
	idleAtFirst.take(sample{front: mail, quiet: time.Hour}, func(e event) { got = append(got, e) })
	if want := []event{{kind: answers}, {kind: idle, quiet: time.Hour}}; !reflect.DeepEqual(got, want) {
		t.Errorf("idle at first, no focus wanted: %+v; want %+v", got, want)
	}
}

// TestSamplesAddUp runs an hour of samples through the tracker: what is told is
// what the person did, less what the pace of asking costs.
func TestSamplesAddUp(t *testing.T) {
	now := time.Unix(1790000000, 0)
	want := Wants{Focus: true, Activity: true}
	tr := newTracker(want, time.Minute, func() time.Time { return now })
	s := samples{want: want, lag: time.Minute}
	start := now
	input := start // of the last one
	for now.Sub(start) < time.Hour {
		at := now.Sub(start)
		front := program{"Editor", 10}
		if at%(10*time.Minute) >= 5*time.Minute {
			front = program{"Mail", 11}
		}
		away := at >= 50*time.Minute
		if at < 40*time.Minute {
			input = now
		}
		s.take(sample{front, now.Sub(input), away}, func(e event) { tr.take(e) })
		now = now.Add(s.wait())
	}
	sums := map[string]time.Duration{}
	for _, r := range tr.flush(true) {
		sums[r.App] += time.Duration(r.Focus+r.Active) * time.Millisecond
	}
	for app, least := range map[string]time.Duration{"Editor": 25 * time.Minute, "Mail": 25 * time.Minute, "": 40 * time.Minute} {
		if got := sums[app]; got < least-15*time.Second || got > least+15*time.Second {
			t.Errorf("%q: %v; want %v within 15 s", app, got, least)
		}
	}
}
