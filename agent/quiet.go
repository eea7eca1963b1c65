package agent

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/configs"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// behaviour are the classes that say what people do and when. A collector that
// serves nothing else is stopped while privacy.quiet says so: it is not that its
// events are filtered later, there are none.
var behaviour = [...]privacyv1.Class{
	privacyv1.Class_FOCUS_TIME, privacyv1.Class_USER_ACTIVITY, privacyv1.Class_LOGONS, privacyv1.Class_DOMAINS,
}

// isBehaviour reports whether a collector serves behaviour classes only.
func isBehaviour(spec collectors.Spec) bool {
	for _, c := range spec.Classes {
		if !slices.Contains(behaviour[:], c) {
			return false
		}
	}
	return len(spec.Classes) > 0
}

// quieted returns p, or the plan that keeps a behaviour collector off where q
// says that at is quiet. at is in the device's zone.
func quieted(p plan, spec collectors.Spec, q configs.Quiet, at time.Time) plan {
	if isBehaviour(spec) && q.At(at) {
		p.state, p.why = "quiet", "privacy.quiet: "+quietText(q)
	}
	return p
}

// quietText returns when it is quiet, as settings spell it.
func quietText(q configs.Quiet) string {
	var parts []string
	for _, w := range q.Hours {
		parts = append(parts, w.String())
	}
	if q.Weekends {
		parts = append(parts, "weekends")
	}
	return strings.Join(parts, ", ")
}

// replan starts and stops collectors as the settings in force and the device's
// clock say.
func (a *Agent) replan(ctx context.Context) {
	a.mu.Lock()
	l := a.loaded
	a.mu.Unlock()
	at := a.local()
	for _, s := range a.sups {
		p := a.planOf(s.spec, l, at)
		m := a.memoryOf(s.spec.Name)
		s.follow(ctx, p, collectors.Env{Version: a.o.Version, Memory: m, Sessions: a.sessions, Names: a.called, Settled: a.settled})
		if p.state == "disabled" || p.state == "off_by_policy" {
			// A collector that is off has no past: when it is on again it begins anew.
			if err := m.forget(); err != nil {
				a.log.Warn("a collector that is off could not forget", "collector", s.spec.Name, "err", err)
			}
		}
	}
	if until, on := a.paused(time.Now()); on {
		a.pauses.timer.Reset(time.Until(until) + time.Millisecond)
	}
}

// quietTimer tells when to look at the clock again.
//
// It goes off at each whole minute, and only while the settings name quiet
// times. Quiet begins and ends on whole minutes of the local clock, and every
// zone is whole minutes from UTC, so no edge is missed. A timer that slept to
// the next edge would be cheaper by a wake-up a minute, and wrong for hours
// after a journey, a changed clock or a closed lid: timers stand still while the
// device sleeps, and no system here tells a service of all three.
type quietTimer struct {
	timer *time.Timer
}

// follow sets the timer for q, or stops it where q names nothing.
func (t *quietTimer) follow(q configs.Quiet) {
	if len(q.Hours) == 0 && !q.Weekends {
		t.stop()
		t.timer = nil
		return
	}
	now := time.Now()
	wait := now.Truncate(time.Minute).Add(time.Minute).Sub(now.Round(0)) // by the clock that can be set
	if t.timer == nil {
		t.timer = time.NewTimer(wait)
		return
	}
	t.timer.Reset(wait)
}

// due returns the channel of the timer; without one it never sends.
func (t *quietTimer) due() <-chan time.Time {
	if t.timer == nil {
		return nil
	}
	return t.timer.C
}

func (t *quietTimer) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}
