//go:build !windows

package identity

// TakeLaidToken returns "": no installer of this system lays a token anywhere but
// into a file.
func TakeLaidToken(string) (file string, err error) { return "", nil }
