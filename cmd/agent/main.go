// Command discreet-agent is the endpoint collector that keeps quiet about
// people.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "0.0.0-dev"

func main() {
	prepare()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(Main(ctx))
}

// Main runs the command line and returns the exit code.
func Main(ctx context.Context) int {
	root := rootCommand()
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var e *exitError
	if !errors.As(err, &e) {
		e = &exitError{exitUsage, err} // cobra's own errors are about the command line
	}
	if e.err != nil {
		fmt.Fprintf(os.Stderr, "discreet-agent: %v\n", e.err)
	}
	return e.code
}
