package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/kardianos/service"
	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent"
	"github.com/discreet-agent/discreet/agent/uplink"
	"github.com/discreet-agent/discreet/configs"
)

// runFlags are for demonstrations and tests: they make delivery quicker than its
// defaults, never less private.
type runFlags struct {
	linger    time.Duration
	reconnect time.Duration
	service   bool // a service manager started it; on Windows the image path says so
}

// stopGrace bounds how long a stop may take: collectors, spool, then what can
// still be sent.
const stopGrace = 20 * time.Second

func runCommand(s *shared) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run",
		Short: "collect and send until stopped; what the service runs",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			harden()
			oneCore()
			run := func(ctx context.Context) error { return s.run(ctx, f) }
			if !f.asService() {
				return run(c.Context())
			}
			return s.runService(c.Context(), run)
		},
	}
	c.Flags().StringArrayVar(&s.set, "set", nil, "an operational setting for this run, KEY=VALUE (never one under privacy)")
	c.Flags().BoolVar(&f.service, "service", false, "answer to a service manager; on Windows it starts the agent so, elsewhere the agent can tell")
	c.Flags().DurationVar(&f.linger, "linger", 0, "how long a batch waits to fill (0: not at all)")
	c.Flags().DurationVar(&f.reconnect, "first-reconnect", 0, "the most that a first reconnect waits (0: the default)")
	return c
}

// oneCore keeps what runs for long to one thread at a time. There is never work for
// two, and a second one that wakes up to look for some costs more than it could do:
// it was a third of all wake-ups and a fifth of the CPU time.
func oneCore() { runtime.GOMAXPROCS(1) }

// The start needs much memory for a moment, mostly for the kernel's types: there the
// collector of garbage works harder, and the peak is a tenth less.
const (
	startGC = 25
	usualGC = 100
)

// run is the agent in the foreground.
func (s *shared) run(ctx context.Context, f runFlags) error {
	overrides := map[string]string{}
	for _, kv := range s.set {
		key, value, ok := strings.Cut(kv, "=")
		if !ok {
			return fail(exitUsage, fmt.Errorf("--set %s: want KEY=VALUE", kv))
		}
		overrides[key] = value
	}
	if err := configs.NewLoader(configs.AgentPaths{}, "").ApplyOverrides(overrides); err != nil {
		return fail(exitUsage, err)
	}
	uplink.Quiet()
	debug.SetGCPercent(startGC)
	level := &slog.LevelVar{}
	recent := agent.NewRecent(s.logTo(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	log := slog.New(recent)
	a, err := agent.New(agent.Options{
		Version: version, Paths: s.paths(), LastGoodDir: s.lastGoodDir(), Log: log, Recent: recent, Overrides: overrides,
		Level:  func(name string) { _ = level.UnmarshalText([]byte(name)) },
		Linger: f.linger, FirstReconnect: f.reconnect,
		Rest: func() { debug.SetGCPercent(usualGC); shed() },
		Ready: func() {
			if err := confine(); err != nil {
				log.Warn("goes on with the rights of its start", "err", err)
			}
			shed()
			log.Info("agent started", "version", version, "pid", os.Getpid())
			s.notify(stateReady)
		},
		Alive: func() { s.notify(stateAlive) },
	})
	if err != nil {
		return fail(exitFailure, err)
	}
	s.started(a, log)
	stopping := context.AfterFunc(ctx, func() { s.notify(stateStopping) })
	defer stopping()
	return fail(exitFailure, a.Run(ctx))
}

// lastGoodDir is where the last good form of each file of the settings, and a
// signed floor, outlive a restart. It does not depend on the settings, which may be
// broken; but with a file in another place only they can tell it, and while they
// are broken nothing but health leaves.
func (s *shared) lastGoodDir() string {
	if s.config == "" {
		return filepath.Join(configs.SystemPlaces().State, "last-good")
	}
	l := configs.LoadAgent(s.paths())
	if l.OnlyHealth && len(l.Faults) > 0 && l.Settings.StateDir == configs.SystemPlaces().State {
		return ""
	}
	return filepath.Join(l.Settings.StateDir, "last-good")
}

func serviceConfig(config string) *service.Config {
	args := slices.Clone(serviceCommandLine)
	if config != "" {
		args = append(args, "--config", config)
	}
	return &service.Config{
		Name: serviceName, DisplayName: "Discreet agent",
		Description: "Sees what IT needs to keep this device well, and nothing else.",
		Arguments:   args,
		Option:      service.KeyValue{"OnFailure": "restart", "RunAtLoad": true, "KeepAlive": true},
	}
}
