//go:build !linux && !windows && !darwin

package configs

// SystemPlaces returns the places of this system.
func SystemPlaces() Places { return LinuxPlaces() }
