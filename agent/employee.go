package agent

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
)

// errStranger says that the system does not tell who asks.
var errStranger = fmt.Errorf("%w: this system does not say who asks, so nothing personal is answered; hint: run the command with --config FILE to ask the files", view.ErrPermission)

// employee serves the commands for the person at the device. Those that answer
// nothing personal come first; the others are only for who the system says asks.
func (a *Agent) employee(ctx context.Context, who view.Caller, q view.Request) (any, error) {
	a.mu.Lock()
	l, since := a.loaded, a.since
	a.mu.Unlock()
	switch q.Command {
	case "privacy_page":
		p := PageOf(l)
		p.Live, p.Since, p.Pause = true, &since, a.pauseState()
		return p, nil
	case "inventory":
		lang, _ := view.ParseLang(q.Args["lang"])
		return Inventory(l, lang), nil
	case "whoami", "explain", "last", "preview", "pause":
		if !who.Known {
			return nil, errStranger
		}
	}
	switch q.Command {
	case "whoami":
		return a.whoami(l, personOf(who))
	case "explain":
		return explain(l, q.Args["key"], personOf(who), a.newFilter)
	case "last":
		return a.last(l, who, q.Args["n"])
	case "preview":
		return a.preview(ctx, who, q.Args["before"] != ""), nil
	case "pause":
		return a.pause(ctx, who, q.Args)
	}
	return nil, fmt.Errorf("%w: unknown command %.40q", view.ErrUsage, q.Command)
}

// PageOf is what settings tell the employee.
func PageOf(l *configs.Loaded) view.Page {
	st, set := l.Settings.Privacy.Statement, l.Settings.Privacy
	p := view.Page{
		Preset: set.Preset, Digest: fmt.Sprintf("%x", l.Policy.Digest()), OnlyHealth: l.OnlyHealth,
		SetBy: st.SetBy, Purpose: st.Purpose, LegalBasis: st.LegalBasis, Contact: st.Contact, Retention: st.RetentionDays,
		Pseudonyms: set.Pseudonym.Source(), Floor: []string{},
		Gateway: l.Settings.Gateway.Address, Pending: pending(l),
		Pause: view.Pause{Allowed: set.Pause.Allowed, Max: int64(set.Pause.Max / time.Second), PerDay: set.Pause.PerDay},
	}
	now := time.Now()
	p.Made = &now
	for _, d := range l.Decisions {
		p.Keys = append(p.Keys, view.PageKey{Key: d.Key.String(), Level: d.Level.String(), Layer: d.Layer, Source: d.Source, BoundBy: d.BoundBy})
		if level, ok := l.Floor[d.Key]; ok {
			p.Floor = append(p.Floor, d.Key.String()+"="+level.String())
		}
	}
	if l.Signed != nil {
		p.Signers = l.Signed.Signers
	}
	return p
}

// last returns the newest records of the caller and of the device, the newest
// last. A record that names no user where it could is shown to root only: it can
// be of somebody else. The records' own names say whose they are, so a change of
// the key hides older ones, but for epochs that can still be named.
func (a *Agent) last(l *configs.Loaded, who view.Caller, count string) (view.Last, error) {
	want := 20
	if count != "" {
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 || n > ringEvents {
			return view.Last{}, fmt.Errorf("%w: %.20q is no count from 1 to %d", view.ErrUsage, count, ringEvents)
		}
		want = n
	}
	pseudonym, clear, _, _ := a.names(l, personOf(who))
	past := a.pastNames(l, personOf(who), time.Now())
	out := view.Last{Events: []view.Sent{}}
	out.NoUser = l.Policy.Level(privacy.Username) == privacy.Drop || l.Policy.Level(privacy.SummaryInterval) == privacy.Day
	for _, r := range slices.Backward(a.pipe.sentRecords()) {
		s, owner, ofPerson, err := view.Decode(r.wire, r.at)
		if err != nil {
			continue
		}
		own := owner != "" && (owner == pseudonym || owner == clear || slices.Contains(past, owner))
		if own || !ofPerson || ofSystem(owner) || who.Root() {
			out.Events = append(out.Events, s)
		}
		if len(out.Events) == want {
			break
		}
	}
	slices.Reverse(out.Events)
	return out, nil
}

// pending is what was announced and does not hold yet.
func pending(l *configs.Loaded) []view.Pending {
	all := []view.Pending{}
	for _, p := range l.Pending {
		all = append(all, view.Pending{Key: p.Key, Before: p.From, After: p.To, From: p.At})
	}
	return all
}

// maxPreview bounds how long one person may watch.
const maxPreview = 10 * time.Minute

// preview shows the caller live events as they pass the filter.
func (a *Agent) preview(ctx context.Context, who view.Caller, before bool) view.Stream {
	return func(send func(any) error) error {
		ctx, stop := context.WithTimeout(ctx, maxPreview)
		defer stop()
		w := &watcher{who: who, before: before, out: make(chan view.Shown, maxUnread)}
		defer a.pipe.watch(w)()
		for {
			select {
			case <-ctx.Done():
				return nil
			case s := <-w.out:
				if err := send(s); err != nil {
					return err
				}
			}
		}
	}
}
