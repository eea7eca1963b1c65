//go:build !linux

package agent

// serialFor says that this system's serial number is not read for people.
func serialFor(uint32) (serial, why string) { return "", "serial" }

// destinationsOf says that people's connections are not listed on this system.
func destinationsOf(uint32, int) (addresses []string, ok bool) { return nil, false }
