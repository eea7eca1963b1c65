//go:build !darwin

package session

// Main runs a helper. Only macOS has a use for the first thread.
func Main(run func(onMain func(func())) error) error { return run(nil) }
