package session

import "time"

// program is what is in front; the zero value is nothing.
type program struct {
	app string
	pid uint32
}

// A tracker turns what a desktop tells into sums. All times are of the monotonic
// clock, which stands still while the device sleeps: sleep counts for nothing.
// One goroutine uses it.
type tracker struct {
	now  func() time.Time
	lag  time.Duration // after this long without input the person is idle
	want Wants

	front     program
	since     time.Time // of the front's last settlement
	suspended bool      // locked, or about to sleep
	sums      map[program]time.Duration

	tells  bool // some source of idle time answers
	active bool
	from   time.Time // active time up to here is in sum
	sum    time.Duration
}

// maxSums bounds the programs of one report. More are put to the last.
const maxSums = 64

func newTracker(want Wants, lag time.Duration, now func() time.Time) *tracker {
	t := &tracker{now: now, lag: lag, want: want, sums: map[program]time.Duration{}}
	t.since, t.from = now(), now()
	return t
}

// settle puts the time since the last settlement to the program in front.
func (t *tracker) settle() {
	now := t.now()
	if t.front != (program{}) && !t.suspended && (t.sums[t.front] > 0 || len(t.sums) < maxSums) {
		t.sums[t.front] += now.Sub(t.since)
	}
	t.since = now
}

// focus says which program is in front from now on.
func (t *tracker) focus(p program) {
	t.settle()
	t.front = p
}

// answers says that a source of idle time is there, and that the person is active
// now.
func (t *tracker) answers() {
	if !t.tells {
		t.tells = true
		t.resumed()
	}
}

// idle says that the last input was quiet ago.
func (t *tracker) idle(quiet time.Duration) {
	if t.active {
		t.upTo(t.now().Add(-quiet))
	}
	t.active = false
}

// resumed says that there is input again.
func (t *tracker) resumed() {
	if !t.active && !t.suspended {
		t.active, t.from = true, t.now()
	}
}

// suspend says that the session is locked or the device goes to sleep, or that
// this is over. Who locks is there until then, and who unlocks is there again.
func (t *tracker) suspend(on bool) {
	if on == t.suspended {
		return
	}
	t.settle()
	if on && t.active {
		t.upTo(t.now())
		t.active = false
	}
	t.suspended = on
	if !on && t.tells {
		t.resumed()
	}
}

// upTo counts active time up to at.
func (t *tracker) upTo(at time.Time) {
	if at.After(t.from) {
		t.sum += at.Sub(t.from)
		t.from = at
	}
}

// flush returns the sums since the last flush. Of active time the last part is
// held back: whether there was input in it will be known only when it is over.
// At the end all of it counts.
func (t *tracker) flush(end bool) []Report {
	var out []Report
	if t.want.Focus {
		t.settle()
		for p, d := range t.sums {
			if ms := d.Milliseconds(); ms > 0 {
				out = append(out, Report{Focus: uint32(ms), PID: p.pid, App: p.app})
			}
		}
	}
	clear(t.sums)
	if t.active {
		at := t.now()
		if !end {
			at = at.Add(-t.lag)
		}
		t.upTo(at)
	}
	if ms := t.sum.Milliseconds(); t.want.Activity && ms > 0 {
		out = append(out, Report{Active: uint32(ms)})
		t.sum -= time.Duration(ms) * time.Millisecond
	}
	if !t.want.Activity {
		t.sum = 0
	}
	return out
}
