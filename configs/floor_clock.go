package configs

import "time"

// boot is a clock that nobody can set: how long the system has run since it
// started, sleep included. ID names that start; where the system has no such clock
// it is empty.
type boot struct {
	ID string
	Up time.Duration
}

// waited counts the time of a notice. While the system runs it counts by the boot
// clock, so that a device's clock that is set, back or forward, shortens nothing,
// whether or not the agent was restarted. Over a restart of the system there is
// only the device's clock: it counts from the latest time that it ever showed, so
// that setting it back and forth gains nothing. Setting it forward while the system
// is off, or where there is no boot clock, does shorten the notice.
type waited struct {
	Time time.Duration `json:"time"`
	Last time.Time     `json:"last"` // the latest that the device's clock showed
	Boot string        `json:"boot,omitempty"`
	Up   time.Duration `json:"up,omitempty"`
}

// until counts what has passed since the last look.
func (w waited) until(now time.Time, b boot) waited {
	now = now.Round(0).UTC()
	if !w.Last.IsZero() {
		passed := now.Sub(w.Last)
		if b.ID != "" && b.ID == w.Boot {
			passed = b.Up - w.Up
		}
		w.Time += max(0, passed)
	}
	if now.After(w.Last) {
		w.Last = now
	}
	w.Boot, w.Up = b.ID, b.Up
	return w
}
