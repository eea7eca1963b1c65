package session

import "context"

// desktops returns the sources that fit a session: its environment says what it is.
func desktops(d *desk) []desktop {
	env := func(name string) bool { return d.getenv(name) != "" }
	list := []desktop{lockDesktop}
	gnome := whyOf(d.getenv("XDG_CURRENT_DESKTOP")) == WhyGNOME
	sway := env("SWAYSOCK") && d.want.Focus
	switch {
	case env("WAYLAND_DISPLAY"):
		if sway {
			list = append(list, display(swayDesktop))
		}
		// GNOME has its own interface for idle time, and none for focus.
		if gnome && d.want.Activity {
			list = append(list, display(mutterDesktop))
		}
		if gnome {
			d.why(true, WhyGNOME)
		} else {
			list = append(list, display(func(ctx context.Context, d *desk) error { return waylandDesktop(ctx, d, !sway) }))
		}
	case env("DISPLAY"):
		list = append(list, display(x11Desktop))
	default:
		d.why(true, WhyNoDisplay)
		d.why(false, WhyNoDisplay)
	}
	return list
}
