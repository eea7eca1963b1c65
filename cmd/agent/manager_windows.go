package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kardianos/service"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"

	"github.com/discreet-agent/discreet/agent"
	"github.com/discreet-agent/discreet/configs"
)

// serviceCommandLine is how the service manager starts the agent. The flag says so:
// what a process can find out about its session is not the same everywhere.
var serviceCommandLine = []string{"run", "--service"}

// asService reports whether the service manager started this process.
func (f runFlags) asService() bool { return f.service }

// startGrace is how long the manager waits for the agent to be ready.
const startGrace = 30 * time.Second

// accepted is what the agent hears from the manager. PreShutdown comes before
// Shutdown and leaves more time.
const accepted = svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown |
	svc.AcceptParamChange | svc.AcceptSessionChange | svc.AcceptPowerEvent

// runService answers to the service manager until it stops the agent. The library
// that controls services elsewhere takes no more than Stop and Shutdown.
func (s *shared) runService(ctx context.Context, run func(context.Context) error) error {
	h := newHandler(ctx, run)
	s.watch = &watched{state: h.state, log: openEventLog(serviceName), started: h.started}
	h.sessions = func() {
		if r := h.running.Load(); r != nil {
			r.agent.SessionsChanged()
		}
	}
	h.folders = closeFolders(configs.SystemPlaces())
	err := svc.Run(serviceName, h)
	if errors.Is(err, windows.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		return fail(exitUsage, fmt.Errorf("answer to the service manager: %w; hint: leave --service out to run in the foreground", err))
	}
	return fail(exitFailure, errors.Join(err, h.err))
}

// handler is the agent as the service manager sees it.
type handler struct {
	ctx     context.Context
	run     func(context.Context) error
	once    sync.Once
	ready   chan struct{}           // closed when the agent collects
	running atomic.Pointer[running] // nil until there is an agent
	folders error                   // why they could not be closed to others
	err     error                   // how run ended; read once Execute has returned

	// sessions is called when a person logs on or off, locks, unlocks or connects.
	// It must not wait. Whose session it was is to be asked from the system: what
	// comes with the message is gone when it arrives here. nil: nobody listens.
	sessions func()
}

// program is what the library that controls services wants; Execute runs instead.
type program struct{}

// Start is never called.
func (*program) Start(service.Service) error { return nil }

// Stop is never called.
func (*program) Stop(service.Service) error { return nil }

// running is the agent and its log.
type running struct {
	agent *agent.Agent
	log   *slog.Logger
}

func newHandler(ctx context.Context, run func(context.Context) error) *handler {
	return &handler{ctx: ctx, run: run, ready: make(chan struct{})}
}

// state hears the states that notify tells.
func (h *handler) state(state string) {
	if state == stateReady {
		h.once.Do(func() { close(h.ready) })
	}
}

func (h *handler) started(a *agent.Agent, log *slog.Logger) { h.running.Store(&running{a, log}) }

// reload has the settings read again.
func (h *handler) reload() {
	if r := h.running.Load(); r != nil {
		r.agent.Reload()
	}
}

// resumed is PBT_APMRESUMEAUTOMATIC: the device woke up.
const resumed = 0x12

// Execute runs the agent and passes on what the manager wants of it.
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, told chan<- svc.Status) (bool, uint32) {
	told <- svc.Status{State: svc.StartPending, WaitHint: uint32(startGrace.Milliseconds())}
	ctx, stop := context.WithCancel(h.ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- h.run(ctx) }()
	for ready := h.ready; ; {
		select {
		case <-ready:
			ready = nil
			told <- svc.Status{State: svc.Running, Accepts: accepted}
			if r := h.running.Load(); r != nil {
				if h.folders != nil {
					r.log.Warn("folders of the agent are open to others", "err", h.folders)
				}
				tend(r.log)
			}
		case h.err = <-done:
			// By itself: a fault, also where it calls it none. The manager starts it again.
			return true, exitFailure
		case c := <-requests:
			if h.request(c, told) {
				continue
			}
			told <- svc.Status{State: svc.StopPending, WaitHint: uint32((stopGrace + 5*time.Second).Milliseconds())}
			stop()
			select {
			case h.err = <-done:
			case <-time.After(stopGrace):
			}
			return false, 0
		}
	}
}

// request does what the manager wants, and reports whether the agent goes on.
func (h *handler) request(c svc.ChangeRequest, told chan<- svc.Status) bool {
	switch c.Cmd {
	case svc.Stop, svc.Shutdown, svc.PreShutdown:
		return false
	case svc.Interrogate:
		told <- c.CurrentStatus
	case svc.ParamChange:
		h.reload()
	case svc.PowerEvent:
		if c.EventType == resumed { // what changed while nobody watched
			h.reload()
		}
	case svc.SessionChange:
		if h.sessions != nil {
			h.sessions()
		}
	}
	return true
}
