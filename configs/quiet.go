package configs

import (
	"fmt"
	"strings"
	"time"
)

// Quiet says when behaviour collectors stop.
type Quiet struct {
	Hours    []Window `key:"hours"`
	Weekends bool     `key:"weekends"`
}

// At reports whether t, in its own location, is quiet.
func (q Quiet) At(t time.Time) bool {
	if d := t.Weekday(); q.Weekends && (d == time.Saturday || d == time.Sunday) {
		return true
	}
	for _, w := range q.Hours {
		if w.contains(t) {
			return true
		}
	}
	return false
}

// Window is a part of the day, in minutes since midnight. It runs past midnight
// where To is not after From.
type Window struct{ From, To int }

func (w Window) contains(t time.Time) bool {
	at := t.Hour()*60 + t.Minute()
	if w.From < w.To {
		return w.From <= at && at < w.To
	}
	return w.From <= at || at < w.To
}

// String returns the window as settings spell it.
func (w Window) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", w.From/60, w.From%60, w.To/60, w.To%60)
}

// UnmarshalText reads what String wrote.
func (w *Window) UnmarshalText(b []byte) error {
	got, ok := parseWindow(string(b))
	if !ok {
		return fmt.Errorf("hours %.20q: want hours like 19:00-07:00", b)
	}
	*w = got
	return nil
}

// isHours reports whether s is windows joined by commas, at most eight.
func isHours(s string) bool {
	n := 0
	for part := range strings.SplitSeq(s, ",") {
		if _, ok := parseWindow(part); !ok {
			return false
		}
		n++
	}
	return n <= 8
}

func parseWindow(s string) (Window, bool) {
	if len(s) != len("19:00-07:00") || s[5] != '-' {
		return Window{}, false
	}
	from, ok := parseClock(s[:5])
	to, ok2 := parseClock(s[6:])
	return Window{from, to}, ok && ok2 && from != to
}

// parseClock reads "19:00". 24:00 is the end of the day and thus its start.
func parseClock(s string) (int, bool) {
	for i := range len(s) {
		if digit := s[i] >= '0' && s[i] <= '9'; digit == (i == 2) || i == 2 && s[i] != ':' {
			return 0, false
		}
	}
	h, m := int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
	if h == 24 && m == 0 {
		return 0, true
	}
	return h*60 + m, h < 24 && m < 60
}
