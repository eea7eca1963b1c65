package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent"
	"github.com/discreet-agent/discreet/configs"
)

// The exit codes are a contract with scripts.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitConfig      = 3
	exitNotRunning  = 4
	exitPermission  = 5
	exitNotEnrolled = 6
	exitUnreachable = 7
	exitForbidden   = 8
)

// exitError carries the exit code with the error that people read. Without an
// error everything has been said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func fail(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

// shared are the flags that every command has.
type shared struct {
	config string
	runDir string
	lang   string
	json   bool
	set    []string

	// What a service manager wants to know and to steer; nil without one.
	watch *watched
}

// watched is an agent that a service manager looks after.
type watched struct {
	state   func(string)                     // hears the states of notify
	log     func(slog.Handler) slog.Handler  // what else hears the log
	started func(*agent.Agent, *slog.Logger) // hears of the agent before it runs
}

// notify tells whoever looks after the agent how it is.
func (s *shared) notify(state string) {
	if s.watch != nil {
		s.watch.state(state)
	}
	notify(state)
}

func (s *shared) logTo(h slog.Handler) slog.Handler {
	if s.watch != nil {
		return s.watch.log(h)
	}
	return h
}

func (s *shared) started(a *agent.Agent, log *slog.Logger) {
	if s.watch != nil {
		s.watch.started(a, log)
	}
}

// paths returns where the settings lie.
func (s *shared) paths() configs.AgentPaths {
	if s.config != "" {
		return configs.AgentPathsFor(s.config)
	}
	return configs.DefaultAgentPaths()
}

// loaded reads the settings; their faults are in the result.
func (s *shared) loaded() *configs.Loaded {
	p := s.paths()
	if dir := s.lastGoodDir(); dir != "" {
		if taken := configs.TakenFile(dir); exists(taken) { // and may be read
			p.TakenFile = taken
		}
	}
	return configs.LoadAgent(p)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func rootCommand() *cobra.Command {
	s := &shared{}
	root := &cobra.Command{
		Use:   "discreet-agent",
		Short: "an endpoint collector that keeps quiet about people",
		Long: `discreet-agent watches programs, connections and the device, lets a privacy
filter decide what may leave, and sends what is left to your gateway.

Start here:
  discreet-agent config validate            is agent.yaml right?
  discreet-agent enroll --token-file FILE   make this device known to the gateway
  discreet-agent run                        collect and send, in the foreground
  discreet-agent status                     what is it doing?
  discreet-agent privacy show               what may leave, and who decided that?

Exit codes: 0 ok, 1 failure, 2 usage, 3 config invalid, 4 not running,
5 permission, 6 not enrolled or TLS, 7 gateway unreachable, 8 policy forbids.`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&s.config, "config", "", "the settings file (default: "+configs.DefaultAgentPaths().File+")")
	root.PersistentFlags().StringVar(&s.runDir, "run-dir", "", "where the running agent answers (default: run_dir of the settings)")
	root.PersistentFlags().BoolVar(&s.json, "json", false, "print JSON for scripts")
	root.AddCommand(runCommand(s), serviceCommand(s), statusCommand(s), collectorsCommand(s), enrollCommand(s),
		doctorCommand(s), configCommand(s), privacyCommand(s), bundleCommand(s), versionCommand(s))
	root.AddCommand(sessionCommands(s)...)
	for _, c := range root.Commands() {
		strictGroups(c)
	}
	return root
}

// strictGroups makes a command that only holds others refuse a word that is none
// of them. Cobra would print the help and report success, which a script with a
// typo takes for done.
func strictGroups(c *cobra.Command) {
	for _, sub := range c.Commands() {
		strictGroups(sub)
	}
	if !c.HasSubCommands() || c.Runnable() {
		return
	}
	c.DisableFlagsInUseLine, c.SuggestionsMinimumDistance = true, 2
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		hint := c.CommandPath() + " --help"
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			hint = "did you mean " + near[0] + "?"
		}
		return fail(exitUsage, fmt.Errorf("unknown command %.40q for %q; hint: %s", args[0], c.CommandPath(), hint))
	}
}

func versionCommand(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if s.json {
				return printJSON(c.OutOrStdout(), map[string]string{"version": version})
			}
			fmt.Fprintln(c.OutOrStdout(), "discreet-agent", version)
			return nil
		},
	}
}

// printJSON writes one object, indented for people who look at it too.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
