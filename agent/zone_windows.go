package agent

import (
	"strconv"
	"time"

	"golang.org/x/sys/windows"
)

// What GetTimeZoneInformation returns.
// https://learn.microsoft.com/en-us/windows/win32/api/timezoneapi/
const (
	standardTime = 1
	daylightTime = 2
)

// localNow returns the time in the zone that the device is in now. time.Local
// is the zone that it was in when the program began: a journey does not change
// it.
func localNow() time.Time {
	var zone windows.Timezoneinformation
	which, err := windows.GetTimeZoneInformation(&zone)
	if err != nil {
		return time.Now()
	}
	west := zone.Bias
	switch which {
	case standardTime:
		west += zone.StandardBias
	case daylightTime:
		west += zone.DaylightBias
	}
	return time.Now().In(time.FixedZone("Local", -int(west)*60))
}

// localZone returns the zone that the device is in now, and a text that is
// another for another zone. Where the clock shows what it would at the place of
// the program's start that is time.Local, which knows summer time; elsewhere it
// is the offset of now.
func localZone() (*time.Location, string) {
	now := localNow()
	_, here := now.Zone()
	if _, home := time.Now().Zone(); here == home {
		return time.Local, ""
	}
	return now.Location(), strconv.Itoa(here)
}
