//go:build !unix

// Command demo shows the product at work on Linux and macOS.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "demo: runs on Linux and macOS only; hint: build both programs with go build ./cmd/agent and ./cmd/gateway")
	os.Exit(1)
}
