//go:build !nobehaviour

package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent/session"
	"github.com/discreet-agent/discreet/configs"
)

// sessionCommands are the helper of a person's session. It reads no settings: the
// service says what is wanted.
func sessionCommands(s *shared) []*cobra.Command {
	o := session.Options{Getenv: os.Getenv}
	c := &cobra.Command{
		Use:   "session",
		Short: "the helper in a person's session: sums of focus and activity, for the service",
		Long: `session looks after focus and idle time of the session in which it runs, with the
rights of the person, and only as far as the policy asks for. It tells sums to the
service. It reads no title, no key and no content. A session manager starts it, and
it waits for the service; on Windows the service starts it.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			harden()
			oneCore()
			o.Dir = s.runDir
			if o.Dir == "" {
				o.Dir = configs.SystemPlaces().Run
			}
			o.Service = startedBy()
			o.Log = slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if err := confine(); err != nil {
				o.Log.Warn("goes on with the rights of its start", "err", err)
			}
			shed()
			// Again when it has found its desktop and the service.
			settled := time.AfterFunc(15*time.Second, shed)
			defer settled.Stop()
			return fail(exitFailure, session.NewHelper(o).Run(ctx))
		},
	}
	c.Flags().DurationVar(&o.Idle, "idle", 0, "after how long without input a person counts as away (0: the default)")
	c.Flags().DurationVar(&o.Every, "every", 0, "how often sums are told (0: the default)")
	return []*cobra.Command{c}
}
