package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/discreet-agent/discreet/agent/durable"
	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/configs"
)

// pauses is what people asked for: whether behaviour collectors are paused, and
// how often they were today. The file in the state folder says no more: not who
// asked. That is known in memory only, so that nobody else ends the pause.
type pauses struct {
	file   string
	replan chan chan struct{} // asks the agent's loop to look at its plans again
	timer  *time.Timer        // ends a pause

	mu    sync.Mutex // guards what follows
	state pauseState
	by    view.Caller
}

type pauseState struct {
	Until time.Time `json:"until"`
	Day   string    `json:"day"` // local, of the count
	Used  int       `json:"used"`
}

// newPauses reads the state that an earlier run left. A file that cannot be read
// is none.
func newPauses(dir string) *pauses {
	p := &pauses{file: filepath.Join(dir, "pause.json"), replan: make(chan chan struct{}), timer: time.NewTimer(time.Hour)}
	if data, err := os.ReadFile(p.file); err == nil {
		if json.Unmarshal(data, &p.state) != nil {
			p.state = pauseState{}
		}
	}
	return p
}

// used returns how many pauses began on the day of now. The caller holds mu.
func (p *pauses) used(now time.Time) int {
	if p.state.Day != now.Format(time.DateOnly) {
		return 0
	}
	return p.state.Used
}

// today returns how many pauses began today: all that others learn of them.
func (p *pauses) today(now time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used(now)
}

// begin pauses from now on. A pause that holds already is replaced and counts
// again.
func (p *pauses) begin(who view.Caller, set configs.Pause, span time.Duration, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch used := p.used(now); {
	case !set.Allowed:
		return fmt.Errorf("%w: pauses are not allowed here; hint: discreet-agent config explain privacy.pause.allowed", view.ErrForbidden)
	case span < time.Second:
		return fmt.Errorf("%w: a pause of less than a second; hint: discreet-agent privacy pause 30m", view.ErrUsage)
	case span > set.Max:
		return fmt.Errorf("%w: a pause may be %s at most", view.ErrForbidden, set.Max)
	case used >= set.PerDay:
		return fmt.Errorf("%w: %d pauses were made today, and no more are allowed", view.ErrForbidden, used)
	default:
		next := pauseState{Until: now.Add(span).Round(0), Day: now.Format(time.DateOnly), Used: used + 1}
		if err := p.save(next); err != nil {
			return err
		}
		p.state, p.by = next, who
		return nil
	}
}

// end ends the pause, where it is the caller's own or root asks.
func (p *pauses) end(who view.Caller, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !now.Before(p.state.Until) {
		return nil
	}
	if !who.Root() && who != p.by {
		return fmt.Errorf("%w: somebody else asked for this pause; it ends by itself", view.ErrPermission)
	}
	next := p.state
	next.Until = time.Time{}
	if err := p.save(next); err != nil {
		return err
	}
	p.state = next
	return nil
}

func (p *pauses) save(s pauseState) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(p.file, data, 0o600); err != nil {
		return fmt.Errorf("keep the pause: %w", err)
	}
	return nil
}

// paused reports whether behaviour collectors are paused, and until when. A
// policy that allows no pauses ends one, and a clock that was set back does not
// make one longer than it may be.
func (a *Agent) paused(now time.Time) (until time.Time, on bool) {
	a.mu.Lock()
	set := a.loaded.Settings.Privacy.Pause
	a.mu.Unlock()
	p := a.pauses
	p.mu.Lock()
	defer p.mu.Unlock()
	if end := now.Add(set.Max); p.state.Until.After(end) {
		p.state.Until = end.Round(0)
	}
	return p.state.Until, set.Allowed && now.Before(p.state.Until)
}

// planOf is planFor, with what people at the device asked for: a behaviour
// collector stops, and what else could ask for such data is told to keep none.
func (a *Agent) planOf(spec collectors.Spec, l *configs.Loaded, at time.Time) plan {
	p := planFor(spec, l, at)
	if until, on := a.paused(time.Now()); on && p.state == "" {
		p.pause(spec, "until "+until.Local().Format(time.TimeOnly))
	}
	return p
}

// pause keeps a collector from behaviour, wholly where it does nothing else. One
// that reports no behaviour is left alone, and runs on.
func (p *plan) pause(spec collectors.Spec, why string) {
	only := len(spec.Classes) > 0
	for _, c := range spec.Classes {
		if slices.Contains(behaviour[:], c) {
			p.keeps[c] = false
		} else {
			only = false
		}
	}
	if only {
		p.state, p.why = "paused", why
	}
}

// pause answers "privacy pause". It returns when collectors have stopped, so
// that nothing of them is spooled after the answer.
func (a *Agent) pause(ctx context.Context, who view.Caller, args map[string]string) (view.Pause, error) {
	a.mu.Lock()
	set := a.loaded.Settings.Privacy.Pause
	a.mu.Unlock()
	span, resume := args["for"], args["resume"] != ""
	var err error
	switch {
	case resume:
		err = a.pauses.end(who, time.Now())
	case span != "":
		var d time.Duration
		if d, err = time.ParseDuration(span); err != nil {
			err = fmt.Errorf("%w: %.20q is no duration; hint: 30m or 1h", view.ErrUsage, span)
			break
		}
		err = a.pauses.begin(who, set, d, time.Now())
	}
	if err != nil {
		return view.Pause{}, err
	}
	if resume || span != "" {
		done := make(chan struct{})
		select {
		case a.pauses.replan <- done:
			<-done
		case <-ctx.Done():
			return view.Pause{}, ctx.Err()
		}
	}
	return a.pauseState(), nil
}

func (a *Agent) pauseState() view.Pause {
	now := time.Now()
	until, on := a.paused(now)
	a.mu.Lock()
	set := a.loaded.Settings.Privacy.Pause
	a.mu.Unlock()
	p := view.Pause{Allowed: set.Allowed, Max: int64(set.Max / time.Second), PerDay: set.PerDay}
	a.pauses.mu.Lock()
	p.Left = max(set.PerDay-a.pauses.used(now), 0)
	a.pauses.mu.Unlock()
	if on {
		p.Until = &until
	}
	return p
}
