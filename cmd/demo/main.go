//go:build unix

// Command demo shows the product at work on this machine: a gateway and an
// agent on loopback with mutual TLS, real events before and after the filter, a
// privacy key that changes while it runs, and the duties towards a person and a
// device. Run it with "make demo"; DEMO_SECONDS=20 ends it by itself.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

// run plays the demonstration from the empty folder to the last line.
func run(ctx context.Context) error {
	span, err := seconds(os.Getenv("DEMO_SECONDS"))
	if err != nil {
		return err
	}
	d, err := newDemo(span)
	if err != nil {
		return err
	}
	// Ctrl-C ends the show, not the clean-up and the duties that follow it.
	work := context.WithoutCancel(ctx)
	defer d.close()
	if err := d.prepare(work); err != nil {
		return err
	}
	if err := d.start(work); err != nil {
		return err
	}
	if err := d.play(ctx, work); err != nil {
		return err
	}
	if err := d.settle(work); err != nil {
		return err
	}
	if err := d.duties(work); err != nil {
		return err
	}
	return d.verdict()
}

// seconds reads DEMO_SECONDS; empty means until Ctrl-C.
func seconds(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 12 || n > 3600 {
		return 0, fmt.Errorf("DEMO_SECONDS=%q: want 12 to 3600", text)
	}
	return time.Duration(n) * time.Second, nil
}
