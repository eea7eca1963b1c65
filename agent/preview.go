package agent

import (
	"context"
	"log/slog"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/configs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// Preview runs the collectors in this process, with its rights, and hands each
// event that would leave to show, until ctx is done. Nothing is stored or sent.
// With before it also hands over the raw values: they are for the eyes of the
// person who asks, on her own device.
func Preview(ctx context.Context, l *configs.Loaded, version string, before bool, show func(view.Shown)) error {
	a := &Agent{o: Options{Version: version}, log: slog.New(slog.DiscardHandler)}
	filter, _, err := offlineFilter(l)
	var mu sync.Mutex // guards filter, and show
	emit := func(ev *eventv1.Event) bool {
		mu.Lock()
		defer mu.Unlock()
		c, ok := filter.Apply(ev)
		var out *eventv1.Event
		if ok {
			out = &eventv1.Event{}
			if proto.Unmarshal(c.AppendTo(nil), out) != nil {
				return false
			}
		}
		if ok || before {
			show(view.Show(ev, out, before))
		}
		return ok
	}
	var sups []*supervisor
	for _, spec := range Builtin() {
		s := newSupervisor(a.log, spec, emit)
		s.follow(ctx, planFor(spec, l, localNow()), collectors.Env{Version: version})
		sups = append(sups, s)
	}
	<-ctx.Done()
	for _, s := range sups {
		s.halt()
	}
	return err
}
