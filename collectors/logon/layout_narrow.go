//go:build !arm64

package logon

var utmpLayout = utmpNarrow
