package privacy

import (
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine
)

var bucketZones = []string{
	"UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns", "Africa/Cairo",
	"Asia/Beirut", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu", "America/Havana", "Africa/Casablanca",
	"Atlantic/Azores", "Antarctica/Troll", "Africa/Monrovia",
}

func mustZone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		tb.Fatal(err)
	}
	return loc
}

func TestBuckets(t *testing.T) {
	for _, row := range []struct {
		name, zone string
		level      Level
		at, start  string
		length     time.Duration
	}{
		{"plain hour", "Europe/Berlin", Hour, "2026-06-01T10:59:59Z", "2026-06-01T10:00:00Z", time.Hour},
		{"plain quarter", "Europe/Berlin", QuarterHour, "2026-06-01T10:59:59Z", "2026-06-01T10:45:00Z", 15 * time.Minute},
		{"minute", "Europe/Berlin", Minute, "2026-06-01T10:59:59Z", "2026-06-01T10:59:00Z", time.Minute},
		{"plain day", "Europe/Berlin", Day, "2026-06-01T10:59:59Z", "2026-05-31T22:00:00Z", 24 * time.Hour},
		{"short day", "Europe/Berlin", Day, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", 23 * time.Hour},
		{"short day, before the change", "Europe/Berlin", Day, "2026-03-29T00:30:00Z", "2026-03-28T23:00:00Z", 23 * time.Hour},
		{"long day", "Europe/Berlin", Day, "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", 25 * time.Hour},
		{"long day, its last hour", "Europe/Berlin", Day, "2026-10-25T22:59:59Z", "2026-10-24T22:00:00Z", 25 * time.Hour},
		{"hour before the spring change", "Europe/Berlin", Hour, "2026-03-29T00:30:00Z", "2026-03-29T00:00:00Z", time.Hour},
		{"hour after the spring change", "Europe/Berlin", Hour, "2026-03-29T01:30:00Z", "2026-03-29T01:00:00Z", time.Hour},
		{"first hour two", "Europe/Berlin", Hour, "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", time.Hour},
		{"second hour two", "Europe/Berlin", Hour, "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", time.Hour},
		{"half-hour zone", "Asia/Kolkata", Hour, "2026-06-01T10:15:00Z", "2026-06-01T09:30:00Z", time.Hour},
		{"half-hour zone, day", "Asia/Kolkata", Day, "2026-06-01T18:30:00Z", "2026-06-01T18:30:00Z", 24 * time.Hour},
		{"half-hour zone, quarter", "Asia/Kolkata", QuarterHour, "2026-06-01T10:15:00Z", "2026-06-01T10:15:00Z", 15 * time.Minute},
		{"quarter-hour zone", "Asia/Kathmandu", Hour, "2026-06-01T10:00:00Z", "2026-06-01T09:15:00Z", time.Hour},
		{"change of half an hour, short day", "Australia/Lord_Howe", Day, "2026-10-04T00:00:00Z", "2026-10-03T13:30:00Z", 23*time.Hour + 30*time.Minute},
		{"change of half an hour, long day", "Australia/Lord_Howe", Day, "2026-04-05T00:00:00Z", "2026-04-04T13:00:00Z", 24*time.Hour + 30*time.Minute},
		{"change of half an hour, the hour before", "Australia/Lord_Howe", Hour, "2026-04-04T14:59:00Z", "2026-04-04T14:00:00Z", time.Hour},
		{"change of half an hour, the hour after", "Australia/Lord_Howe", Hour, "2026-04-04T15:10:00Z", "2026-04-04T15:00:00Z", 30 * time.Minute},
		{"midnight does not come", "Africa/Cairo", Day, "2026-04-24T10:00:00Z", "2026-04-23T22:00:00Z", 23 * time.Hour},
		{"midnight comes twice", "America/Havana", Day, "2025-11-02T12:00:00Z", "2025-11-02T04:00:00Z", 25 * time.Hour},
		{"clocks jump within an hour, before", "America/Caracas", Hour, "2016-05-01T06:45:00Z", "2016-05-01T06:30:00Z", 30 * time.Minute},
		{"clocks jump within an hour, after", "America/Caracas", Hour, "2016-05-01T07:10:00Z", "2016-05-01T07:00:00Z", time.Hour},
		{"clocks jump to midnight", "Asia/Pyongyang", Day, "2018-05-04T10:00:00Z", "2018-05-03T15:30:00Z", 23*time.Hour + 30*time.Minute},
		{"the day after that", "Asia/Pyongyang", Day, "2018-05-05T10:00:00Z", "2018-05-04T15:00:00Z", 24 * time.Hour},
		{"before 1970", "Europe/Berlin", Hour, "1965-06-01T10:20:30Z", "1965-06-01T10:00:00Z", time.Hour},
		{"full", "Europe/Berlin", Full, "2026-06-01T10:59:59Z", "2026-06-01T10:59:59Z", 0},
		{"drop", "Europe/Berlin", Drop, "2026-06-01T10:59:59Z", "2026-06-01T10:59:59Z", 0},
		{"no grain of time", "Europe/Berlin", Hashed, "2026-06-01T10:59:59Z", "2026-06-01T10:59:59Z", 0},
		{"no level", "Europe/Berlin", numLevels, "2026-06-01T10:59:59Z", "2026-06-01T10:59:59Z", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			ctx := testContext(Linux)
			ctx.Location = mustZone(t, row.zone)
			at, err := time.Parse(time.RFC3339, row.at)
			if err != nil {
				t.Fatal(err)
			}
			r := newRules(ctx, nil)
			for range 2 { // cold and warm
				start, length := r.bucket(row.level, at)
				if got := start.UTC().Format(time.RFC3339); got != row.start || length != row.length {
					t.Errorf("bucket(%s, %s in %s) = %s, %s; want %s, %s", row.level, row.at, row.zone, got, length, row.start, row.length)
				}
			}
		})
	}
}

// TestBucketsTile walks through every change of the clocks of two years: each
// time lies in its bucket, and buckets neither overlap nor leave a hole.
func TestBucketsTile(t *testing.T) {
	for _, zone := range bucketZones {
		loc := mustZone(t, zone)
		at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 8 {
			_, change := at.In(loc).ZoneBounds()
			if change.IsZero() {
				break
			}
			for m := -180; m <= 180; m += 7 {
				checkBuckets(t, change.Add(time.Duration(m)*time.Minute), loc)
			}
			at = change.Add(time.Hour)
		}
		checkBuckets(t, time.Date(2011, 12, 31, 0, 0, 0, 0, time.UTC), loc) // a date that Apia skipped
	}
}

func checkBuckets(t *testing.T, at time.Time, loc *time.Location) {
	t.Helper()
	for _, l := range []Level{Day, Hour, QuarterHour, Minute} {
		start, length := bucketIn(l, at, loc)
		end := start.Add(length)
		if at.Before(start) || !at.Before(end) || length > 26*time.Hour {
			t.Errorf("bucketIn(%s, %s, %s) = %s, %s; want the time within", l, at.UTC(), loc, start, length)
			continue
		}
		for _, inside := range []time.Time{start, end.Add(-time.Second)} {
			if s, n := bucketIn(l, inside, loc); !s.Equal(start) || n != length {
				t.Errorf("bucketIn(%s, %s, %s) = %s, %s; want %s, %s as for %s", l, inside.UTC(), loc, s, n, start, length, at.UTC())
			}
		}
		if s, _ := bucketIn(l, end, loc); !s.Equal(end) {
			t.Errorf("bucketIn(%s, %s, %s) begins %s; want where the one before ends", l, end.UTC(), loc, s)
		}
		if s, n := bucketIn(l, start.Add(-time.Second), loc); !s.Add(n).Equal(start) {
			t.Errorf("bucketIn(%s) before %s in %s ends %s; want there", l, start.UTC(), loc, s.Add(n))
		}
	}
}
