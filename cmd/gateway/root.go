package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/gateway/access"
	"github.com/discreet-agent/discreet/gateway/audit"
	"github.com/discreet-agent/discreet/gateway/duties"
	"github.com/discreet-agent/discreet/gateway/store/sqlite"
)

// The exit codes are a contract with scripts.
const (
	exitOK         = 0
	exitFailure    = 1
	exitUsage      = 2
	exitConfig     = 3
	exitPermission = 5
)

// exitError carries the exit code with the error that people read.
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

// fail gives err the exit code, or the one for permission where that is what is
// missing.
func fail(code int, err error) error {
	if err == nil {
		return nil
	}
	var e *exitError
	if errors.As(err, &e) {
		return err
	}
	if errors.Is(err, fs.ErrPermission) {
		code = exitPermission
	}
	return &exitError{code, err}
}

// shared are the flags that every command has.
type shared struct {
	config string
	json   bool
	yes    bool
}

func rootCommand() *cobra.Command {
	s := &shared{}
	root := &cobra.Command{
		Use:   "discreet-gateway",
		Short: "receives what agents send, and forgets on demand",
		Long: `discreet-gateway stores what agents send over mutual TLS, and can retrieve,
anonymise and delete all that it holds about a person or a device.

Start here:
  discreet-gateway ca init --host gw.example     make the certificate authority
  discreet-gateway token create --uses 100       let a hundred devices enrol
  discreet-gateway serve                         receive
  discreet-gateway subject find --user NAME      what is held about a person?

Exit codes: 0 ok, 1 failure, 2 usage, 3 config invalid, 5 permission.`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&s.config, "config", "", "the settings file (default: "+configs.DefaultGatewayFile()+")")
	root.PersistentFlags().BoolVar(&s.json, "json", false, "print JSON for scripts")
	root.AddCommand(serveCommand(s), caCommand(s), tokenCommand(s), deviceCommand(s), subjectCommand(s), officerCommand(s), policyCommand(s),
		eventsCommand(s), retentionCommand(s), auditCommand(s), versionCommand(s))
	for _, c := range root.Commands() {
		strictGroups(c)
	}
	return root
}

// strictGroups makes a command that only holds others refuse a word that is none
// of them, with the exit code of usage. Cobra would print the help and report
// success.
func strictGroups(c *cobra.Command) {
	for _, sub := range c.Commands() {
		strictGroups(sub)
	}
	if !c.HasSubCommands() || c.Runnable() {
		return
	}
	c.DisableFlagsInUseLine = true
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return fail(exitUsage, fmt.Errorf("unknown command %.40q for %q; hint: %s --help", args[0], c.CommandPath(), c.CommandPath()))
	}
}

func versionCommand(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if s.json {
				return printJSON(c.OutOrStdout(), map[string]string{"version": version})
			}
			fmt.Fprintln(c.OutOrStdout(), "discreet-gateway", version)
			return nil
		},
	}
}

// settings reads the settings; a fault ends the command. A missing file at the
// default place means the defaults.
func (s *shared) settings() (configs.Gateway, error) {
	file := s.config
	if file == "" {
		file = configs.DefaultGatewayFile()
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			set := configs.GatewayDefaults()
			return set, ours(set.DataDir)
		}
	}
	set, faults := configs.LoadGateway(file)
	if len(faults) == 0 {
		return set, ours(set.DataDir)
	}
	for _, f := range faults {
		fmt.Fprintln(os.Stderr, f)
	}
	return set, fail(exitConfig, fmt.Errorf("faults in the settings: %d", len(faults)))
}

// room is what a command works with: the settings, the store, the audit log.
type room struct {
	set   configs.Gateway
	store *sqlite.Store
	audit *audit.Log
}

// open opens the room of the settings. The caller closes it.
func (s *shared) open(ctx context.Context) (*room, error) {
	set, err := s.settings()
	if err != nil {
		return nil, err
	}
	st, err := sqlite.Open(ctx, filepath.Join(set.DataDir, "store"), sqlite.Options{Retention: set.Retention})
	if err != nil {
		return nil, fail(exitFailure, err)
	}
	log, err := audit.Open(filepath.Join(set.DataDir, "audit.log"))
	if err != nil {
		st.Close()
		return nil, fail(exitFailure, err)
	}
	return &room{set, st, log}, nil
}

// with opens the room, runs do, and closes the room.
func (s *shared) with(ctx context.Context, do func(*room) error) error {
	r, err := s.open(ctx)
	if err != nil {
		return err
	}
	err = do(r)
	return fail(exitFailure, errors.Join(err, r.store.Close()))
}

func (r *room) duties() *duties.Duties {
	return &duties.Duties{Store: r.store, Registry: r.store, Audit: r.audit, Who: operator(), Retention: r.set.Retention}
}

func (r *room) ca() (*access.CA, error) { return access.OpenCA(r.set.CADir) }

// operator is who runs the command, for the audit log. sudo tells the person behind
// the service's account. Who has that account can tell anything here, and could as
// well write the log itself.
func operator() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name + " (sudo)"
	}
	u, err := user.Current()
	if err != nil {
		return fmt.Sprintf("uid %d", os.Getuid())
	}
	return u.Username
}

// confirm asks for a yes, unless --yes was given. Without somebody to ask it
// refuses.
func (s *shared) confirm(c *cobra.Command, question string) error {
	if s.yes {
		return nil
	}
	fmt.Fprintf(c.ErrOrStderr(), "%s Type yes to go on: ", question)
	line, err := bufio.NewReader(c.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(line) != "yes" {
		return fail(exitFailure, errors.New("not confirmed, nothing done; hint: --yes in scripts"))
	}
	return nil
}

// confirmFlag adds --yes.
func (s *shared) confirmFlag(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&s.yes, "yes", false, "do not ask")
	return c
}

// printJSON writes one object, indented for people who look at it too.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
