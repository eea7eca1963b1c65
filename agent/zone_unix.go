//go:build unix

package agent

import (
	"os"
	"time"
)

// localtime is where the system keeps the rules of the zone that it is in.
const localtime = "/etc/localtime"

// localNow returns the time in the zone that the device is in now.
func localNow() time.Time {
	zone, _ := localZone()
	return time.Now().In(zone)
}

// localZone returns the zone that the device is in now, and a text that is
// another for another zone. time.Local is the zone that it was in when the
// program began: a journey does not change it. TZ fixes the zone, as it does for
// every program.
func localZone() (*time.Location, string) {
	if _, fixed := os.LookupEnv("TZ"); fixed {
		return time.Local, ""
	}
	return zoneIn(localtime)
}

// zoneIn returns the zone whose rules are in file, and the rules; time.Local
// where they cannot be read.
func zoneIn(file string) (*time.Location, string) {
	rules, err := os.ReadFile(file)
	if err != nil {
		return time.Local, ""
	}
	zone, err := time.LoadLocationFromTZData("Local", rules)
	if err != nil {
		return time.Local, ""
	}
	return zone, string(rules)
}
