package session

import (
	"context"
	"time"
)

// desktops returns the one source of a session of macOS.
func desktops(d *desk) []desktop {
	if d.onMain == nil {
		d.why(true, WhyFailed)
		d.why(false, WhyFailed)
		return nil
	}
	return []desktop{display(askDesktop)}
}

// askDesktop asks the system now and then.
func askDesktop(ctx context.Context, d *desk) error {
	var m *macSession
	var err error
	d.onMain(func() { m, err = openSession(d.want) })
	if err != nil {
		return err
	}
	defer d.onMain(m.close)
	d.why(true, WhyNone)
	d.why(false, WhyNone)
	s := samples{want: d.want, lag: d.lag}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		var now sample
		d.onMain(func() { now, err = m.ask() })
		if err != nil {
			return err
		}
		s.take(now, d.send)
		timer.Reset(s.wait())
	}
}
