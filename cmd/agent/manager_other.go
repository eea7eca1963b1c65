//go:build !windows

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/kardianos/service"
)

// serviceCommandLine is how the service manager starts the agent.
var serviceCommandLine = []string{"run"}

// asService reports whether a service manager started this process.
func (f runFlags) asService() bool { return f.service || !service.Interactive() }

// program lets the system's service manager drive run.
type program struct {
	ctx  context.Context
	stop context.CancelFunc
	run  func(context.Context) error
	done chan error
}

// runService lets kardianos/service speak to the manager: on Linux and macOS that is
// a signal to end.
func (s *shared) runService(ctx context.Context, run func(context.Context) error) error {
	p := &program{run: run, done: make(chan error, 1)}
	p.ctx, p.stop = context.WithCancel(ctx)
	svc, err := service.New(p, serviceConfig(""))
	if err != nil {
		return fail(exitFailure, err)
	}
	return fail(exitFailure, svc.Run())
}

// Start must return at once.
func (p *program) Start(svc service.Service) error {
	go func() {
		err := p.run(p.ctx)
		p.done <- err
		if p.ctx.Err() == nil { // it ended by itself: let the manager see it
			fmt.Fprintln(os.Stderr, "discreet-agent:", err)
			_ = svc.Stop()
			os.Exit(exitFailure)
		}
	}()
	return nil
}

func (p *program) Stop(service.Service) error {
	p.stop()
	select {
	case <-p.done:
	case <-time.After(stopGrace):
	}
	return nil
}
