package agent

import (
	"testing"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	"google.golang.org/protobuf/proto"
)

// TestS39BucketsFollowTheDevice: the day in which an event happened is that of
// the place to which the device travelled, from the next look on.
func TestS39BucketsFollowTheDevice(t *testing.T) {
	a, _ := keyed(t, t.TempDir(), "mode: device_key", "  logons: day\n")
	place := "Europe/Berlin"
	a.zone = func() (*time.Location, string) { return zone(t, place), place }
	a.refilter(a.loaded, "")
	at := time.Date(2026, 7, 14, 20, 30, 0, 0, time.UTC)
	bucket := func() (time.Time, uint32) {
		t.Helper()
		a.pipe.mu.Lock()
		defer a.pipe.mu.Unlock()
		c, ok := a.pipe.filter.Apply(&eventv1.Event{TimeUnixMs: at.UnixMilli(), Kind: &eventv1.Event_Logon{Logon: &eventv1.Logon{Kind: 1}}})
		if !ok {
			t.Fatal("a logon does not leave")
		}
		ev := &eventv1.Event{}
		if err := proto.Unmarshal(c.AppendTo(nil), ev); err != nil {
			t.Fatal(err)
		}
		return time.UnixMilli(ev.TimeUnixMs).UTC(), ev.BucketSeconds
	}
	for _, row := range []struct{ name, place, start string }{
		{"at home", "Europe/Berlin", "2026-07-13T22:00:00Z"},
		{"after a flight east", "Asia/Tokyo", "2026-07-14T15:00:00Z"},
		{"after one west", "America/New_York", "2026-07-14T04:00:00Z"},
		{"at home again", "Europe/Berlin", "2026-07-13T22:00:00Z"},
	} {
		before := a.pipe.filter
		moved := row.place != place
		place = row.place
		a.refreshDevice()
		if start, length := bucket(); start.Format(time.RFC3339) != row.start || length != 86400 {
			t.Errorf("%s: the day begins %s and has %d s; want %s and 86400", row.name, start.Format(time.RFC3339), length, row.start)
		}
		if fresh := a.pipe.filter != before; fresh != moved {
			t.Errorf("%s: another filter: %t; want %t", row.name, fresh, moved)
		}
	}
	// The night of summer's end, after the journey: the day has 25 hours.
	at = time.Date(2026, 10, 25, 12, 0, 0, 0, time.UTC)
	if start, length := bucket(); start.Format(time.RFC3339) != "2026-10-24T22:00:00Z" || length != 25*3600 {
		t.Errorf("the last day of summer time begins %s and has %d s; want 2026-10-24T22:00:00Z and 90000", start.Format(time.RFC3339), length)
	}
}
