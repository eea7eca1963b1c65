//go:build unix

package agent

import (
	"os"
	"time"
)

// localtime is where the system keeps the rules of the zone that it is in.
const localtime = "/etc/localtime"

// localNow returns the time in the zone that the device is in now. time.Local
// is the zone that it was in when the program began: a journey does not change
// it. TZ fixes the zone, as it does for every program.
func localNow() time.Time {
	if _, fixed := os.LookupEnv("TZ"); fixed {
		return time.Now()
	}
	return nowIn(localtime)
}

// nowIn returns the time in the zone whose rules are in file, and in time.Local
// where they cannot be read.
func nowIn(file string) time.Time {
	rules, err := os.ReadFile(file)
	if err != nil {
		return time.Now()
	}
	zone, err := time.LoadLocationFromTZData("Local", rules)
	if err != nil {
		return time.Now()
	}
	return time.Now().In(zone)
}
