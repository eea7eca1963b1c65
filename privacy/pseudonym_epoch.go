package privacy

import (
	"fmt"
	"strconv"
	"time"
)

// Epoch names the time over which one pseudonym key holds, in UTC: 2026y, 2026q4
// or 2026m11. "" is the one epoch of keys that never change.
type Epoch string

// EpochOf returns the epoch in which t lies. length is none, year, quarter or
// month, as settings spell it; anything else is none.
func EpochOf(length string, t time.Time) Epoch {
	t = t.UTC()
	year := min(max(t.Year(), 1970), 9998) // a clock beyond these is broken
	switch length {
	case "year":
		return Epoch(fmt.Sprintf("%04dy", year))
	case "quarter":
		return Epoch(fmt.Sprintf("%04dq%d", year, (int(t.Month())+2)/3))
	case "month":
		return Epoch(fmt.Sprintf("%04dm%02d", year, t.Month()))
	}
	return ""
}

// ParseEpoch reads the name of an epoch. It takes the one spelling of EpochOf,
// and not "".
func ParseEpoch(name string) (Epoch, bool) {
	if e := Epoch(name); e != "" && EpochOf(e.Length(), e.Start()) == e {
		return e, true
	}
	return "", false
}

func lengthOf(letter byte) string {
	switch letter {
	case 'y':
		return "year"
	case 'q':
		return "quarter"
	case 'm':
		return "month"
	}
	return "none"
}

// Length returns the length of e as settings spell it.
func (e Epoch) Length() string {
	if len(e) < 5 {
		return "none"
	}
	return lengthOf(e[4])
}

// Start returns when e begins; the zero time for "".
func (e Epoch) Start() time.Time {
	if len(e) < 5 {
		return time.Time{}
	}
	year, _ := strconv.Atoi(string(e[:4]))
	month := 1
	if len(e) > 5 {
		month, _ = strconv.Atoi(string(e[5:]))
	}
	if e[4] == 'q' {
		month = 3*month - 2
	}
	return time.Date(year, time.Month(month), 1, 0, 0, 0, 0, time.UTC)
}

// End returns the first moment after e; the zero time for "".
func (e Epoch) End() time.Time {
	switch e.Length() {
	case "year":
		return e.Start().AddDate(1, 0, 0)
	case "quarter":
		return e.Start().AddDate(0, 3, 0)
	case "month":
		return e.Start().AddDate(0, 1, 0)
	}
	return time.Time{}
}

// Before returns the epoch of the same length before e.
func (e Epoch) Before() Epoch { return EpochOf(e.Length(), e.Start().Add(-1)) }

// Turn returns the epoch that holds once the clock shows the epoch clock while e
// was in force. A clock that was set back by less than a whole epoch reopens
// nothing: e stays until the clock has passed it. One that is further back was
// wrong before and is believed now.
func (e Epoch) Turn(clock Epoch) Epoch {
	if e.Length() == clock.Length() && e.Before() == clock {
		return e
	}
	return clock
}
