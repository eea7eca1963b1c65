//go:build !linux

// Package bus talks to a message bus of Linux.
package bus
