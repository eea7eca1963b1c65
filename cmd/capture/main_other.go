//go:build !linux

// Command capture measures the sources of Linux; see main.go.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "capture: it measures the sources of Linux alone")
	os.Exit(1)
}
