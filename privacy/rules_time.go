package privacy

import "time"

// bucketMemo is the bucket of late of one level.
type bucketMemo struct {
	from, to int64 // in seconds since 1970; equal where there is none yet
	start    time.Time
	length   time.Duration
}

// bucketIn returns the bucket of loc's time in which t lies, its start in UTC.
// A nil loc is UTC. Where clocks change, a bucket ends or begins at the change:
// buckets never overlap, a day has 23 or 25 hours, and an hour that comes twice
// is two buckets.
func bucketIn(l Level, t time.Time, loc *time.Location) (start time.Time, length time.Duration) {
	if loc == nil {
		loc = time.UTC
	}
	var end time.Time
	switch l {
	case Day:
		start, end = dayOf(t.In(loc))
	case Hour:
		start, end = grainOf(t.In(loc), time.Hour)
	case QuarterHour:
		start, end = grainOf(t.In(loc), 15*time.Minute)
	case Minute:
		start, end = grainOf(t.In(loc), time.Minute)
	default:
		return t, 0
	}
	return start.UTC(), end.Sub(start)
}

// grainOf returns the whole grain of local time around t.
func grainOf(t time.Time, grain time.Duration) (start, end time.Time) {
	start, end = floor(t, grain)
	from, to := offsetBounds(t)
	if start.Before(from) {
		start = from
	}
	if !to.IsZero() && end.After(to) {
		end = to
	}
	return start, end
}

// floor cuts t to the grain on a clock that shows t's offset.
func floor(t time.Time, grain time.Duration) (start, end time.Time) {
	_, offset := t.Zone()
	g := int64(grain / time.Second)
	local := t.Unix() + int64(offset)
	into := local % g
	if into < 0 {
		into += g
	}
	start = time.Unix(t.Unix()-into, 0).In(t.Location())
	return start, start.Add(grain)
}

// offsetBounds returns since when and until when clocks show t's offset; zero
// where there is no bound. A change of the zone's name alone is none.
func offsetBounds(t time.Time) (from, to time.Time) {
	_, offset := t.Zone()
	from, to = t.ZoneBounds()
	for range 8 {
		before := from.Add(-time.Second)
		if _, o := before.Zone(); o != offset {
			break
		}
		from, _ = before.ZoneBounds()
	}
	for range 8 {
		if _, o := to.Zone(); o != offset {
			break
		}
		_, to = to.ZoneBounds()
	}
	return from, to
}

// dayOf returns the first instant of t's date and that of the next. A day may
// begin or end at a change of the clocks, and hold more than one.
func dayOf(t time.Time) (start, end time.Time) {
	start, end = floor(t, 24*time.Hour)
	for at := t; ; start, _ = floor(at, 24*time.Hour) {
		from, _ := offsetBounds(at)
		if from.IsZero() || start.After(from) {
			break
		}
		at = from.Add(-time.Second)
		if !sameDate(at, t) {
			start = from
			break
		}
	}
	for at := t; ; _, end = floor(at, 24*time.Hour) {
		_, to := offsetBounds(at)
		if to.IsZero() || end.Before(to) {
			break
		}
		at = to
		if !sameDate(at, t) {
			end = to
			break
		}
	}
	return start, end
}

func sameDate(a, b time.Time) bool {
	ay, am, ad := a.Date()
	by, bm, bd := b.Date()
	return ay == by && am == bm && ad == bd
}
