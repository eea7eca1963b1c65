package session

import (
	"context"
	"strings"
	"time"
)

// What a desktop tells.
const (
	focus   = iota // front is in front
	answers        // a source of idle time is there
	idle           // no input for quiet
	resumed        // input again
	suspend        // locked, or going to sleep
	resume         // not any more
	reason         // why nothing is told
	gone           // the display ended: nothing that it told holds any more
)

type event struct {
	kind  int
	front program
	quiet time.Duration
	of    bool // of a reason: true for focus, false for activity
	why   Why
}

// desk is what the sources of one session share.
type desk struct {
	ctx    context.Context
	getenv func(string) string
	want   Wants
	lag    time.Duration
	out    chan<- event
	onMain func(func()) // runs a function on the first thread; nil: there is none to lend
}

func (d *desk) send(e event) {
	select {
	case d.out <- e:
	case <-d.ctx.Done():
	}
}

func (d *desk) why(ofFocus bool, w Why) { d.send(event{kind: reason, of: ofFocus, why: w}) }

// display is a desktop whose end is told.
func display(run desktop) desktop {
	return func(ctx context.Context, d *desk) error {
		err := run(ctx, d)
		if ctx.Err() == nil {
			d.send(event{kind: gone})
			d.why(true, WhyFailed)
			d.why(false, WhyFailed)
		}
		return err
	}
}

// A desktop is one source. It runs until its context is done; when it ends before,
// it is started again, later and later.
type desktop func(context.Context, *desk) error

// whyOf says why a Wayland display without the protocol for it does not tell which
// window is active, by what the session calls itself.
func whyOf(session string) Why {
	for name := range strings.SplitSeq(strings.ToUpper(session), ":") {
		switch name {
		case "GNOME", "UNITY", "GNOME-CLASSIC", "UBUNTU":
			return WhyGNOME
		case "KDE":
			return WhyKDE
		}
	}
	return WhyProtocol
}
