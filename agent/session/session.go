// Package session is the helper that runs in each person's session, and how the
// service talks to it. The service must not enter a session, and a session's
// display does not talk to the service: so the helper looks at focus and idle time
// with the person's own rights and sends the service sums, over a Unix socket.
//
// Nothing but what the service asks for is opened. No title and no key is read;
// a title that a protocol pushes is passed over in the decoder.
package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"
)

// Wants is what the service asks for: what the policy lets through. Nothing: the
// helper opens nothing.
type Wants struct {
	Focus    bool `json:"focus"`
	Activity bool `json:"activity"`
}

// Report is one line of the helper.
type Report struct {
	// Focus is for how long a program was in front, in ms, since the last report
	// of it. PID is its process, 0 where the display does not tell; App is what
	// the display calls it.
	Focus uint32 `json:"focus,omitempty"`
	PID   uint32 `json:"pid,omitempty"`
	App   string `json:"app,omitempty"`
	// Active is for how long the person used the device, in ms, since the last
	// report of it.
	Active uint32 `json:"active,omitempty"`
	// FocusWhy and ActivityWhy say why nothing can be told; a closed set.
	FocusWhy    Why `json:"focus_why,omitempty"`
	ActivityWhy Why `json:"activity_why,omitempty"`
}

// Why is a reason for which a session does not tell.
type Why string

// The reasons. Another word from a helper is refused.
const (
	WhyNone      Why = "ok"
	WhyNoDisplay Why = "no_display" // no X11 and no Wayland display in the environment
	WhyGNOME     Why = "gnome"      // GNOME on Wayland tells no other program which is in front
	WhyKDE       Why = "kde"        // neither does KDE
	WhyProtocol  Why = "protocol"   // the display has no such protocol
	WhyFailed    Why = "failed"     // the display did not answer
)

// texts are the reasons in plain words.
var texts = map[Why]string{
	WhyNone:      "",
	WhyNoDisplay: "the session has no display",
	WhyGNOME:     "GNOME on Wayland tells no other program which one is in front",
	WhyKDE:       "KDE on Wayland tells no other program which one is in front",
	WhyProtocol:  "the display has no protocol for it",
	WhyFailed:    "the display does not answer",
}

// The bounds of the socket.
const (
	SocketName  = "session.sock"
	maxLine     = 1 << 10
	maxApp      = 255 // bytes
	maxReport   = 10 * time.Minute
	reportEvery = 30 * time.Second
	// burst and refill bound the lines of one helper: a person changes between
	// some programs in half a minute, not between hundreds.
	burst      = 100
	refillEach = 300 * time.Millisecond
	// slack is what clocks and scheduling may add to the time that passed.
	slack = 2 * time.Second
)

// errLies says that a helper sent what no honest one does.
var errLies = errors.New("not what a helper sends")

// parseReport reads one line of a helper.
func parseReport(line []byte) (Report, error) {
	var r Report
	if len(line) > maxLine || json.Unmarshal(line, &r) != nil {
		return r, errLies
	}
	bad := len(r.App) > maxApp || !utf8.ValidString(r.App) ||
		time.Duration(r.Focus)*time.Millisecond > maxReport || time.Duration(r.Active)*time.Millisecond > maxReport
	for _, c := range r.App {
		bad = bad || unicode.IsControl(c)
	}
	for _, w := range []Why{r.FocusWhy, r.ActivityWhy} {
		if _, known := texts[w]; !known && w != "" {
			bad = true
		}
	}
	if bad {
		return Report{}, errLies
	}
	return r, nil
}

// tidyApp returns a display's name of a program as a report may carry it.
func tidyApp(s string) string {
	out := make([]rune, 0, len(s))
	for _, c := range s {
		if c != utf8.RuneError && !unicode.IsControl(c) {
			out = append(out, c)
		}
	}
	s = string(out)
	for len(s) > maxApp {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// encode writes a line.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("session: %T cannot be written: %v", v, err))
	}
	return append(b, '\n')
}
