package agent

import (
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
