package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent/view"
)

func privacyCommand(s *shared) *cobra.Command {
	c := &cobra.Command{
		Use: "privacy", Short: "what may leave this device, and what would become of a value",
		Long: `privacy is for the person at this device; it needs no admin rights. What it answers
of a person goes to that person alone: the system says who asks.`,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if _, ok := view.ParseLang(s.lang); s.lang != "" && !ok {
				return fail(exitUsage, fmt.Errorf("--lang %.20q: no text in it; hint: %s", s.lang, strings.Join(languageCodes(), " or ")))
			}
			return nil
		},
	}
	c.PersistentFlags().StringVar(&s.lang, "lang", "", strings.Join(languageCodes(), " or ")+" (default: that of your session)")
	c.AddCommand(privacyShow(s), privacyExplain(s), privacyTry(s), privacyPreview(s), privacyLast(s),
		privacyWhoami(s), privacyInventory(s), privacyPause(s), privacyHistory(s))
	return c
}

// languageCodes returns the languages that there is text in.
func languageCodes() []string {
	var codes []string
	for _, l := range view.Languages() {
		codes = append(codes, l.String())
	}
	return codes
}

// language is the one that the person reads, as far as there is text in it.
func (s *shared) language() view.Lang {
	for _, name := range []string{s.lang, os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG")} {
		if name != "" {
			l, _ := view.ParseLang(name)
			return l
		}
	}
	return view.English
}

// dir is where the running agent answers.
func (s *shared) dir() string {
	if s.runDir != "" {
		return s.runDir
	}
	return s.loaded().Settings.RunDir
}

// askWith puts a question with arguments to the running agent. Settings with a
// fault may not say where it answers: an agent that lives on with their last good
// form would look as if it did not run.
func (s *shared) askWith(command string, args map[string]string, v any) error {
	err := view.Ask(s.dir(), view.Request{Command: command, Args: args}, v)
	if errors.Is(err, view.ErrNotRunning) && s.runDir == "" && len(s.loaded().Faults) > 0 {
		err = fmt.Errorf("%w; the settings have a fault, so run_dir may be another (hint: config validate, or --run-dir)", err)
	}
	return askFailed(err)
}

// askFailed gives the error of a question its exit code.
func askFailed(err error) error {
	switch {
	case errors.Is(err, view.ErrNotRunning):
		return fail(exitNotRunning, err)
	case errors.Is(err, view.ErrForbidden):
		return fail(exitForbidden, err)
	case errors.Is(err, view.ErrUsage):
		return fail(exitUsage, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, view.ErrPermission):
		return fail(exitPermission, err)
	}
	return fail(exitFailure, err)
}

func privacyPause(s *shared) *cobra.Command {
	var resume bool
	c := &cobra.Command{
		Use: "pause [DURATION]", Short: "stop what sees your behaviour for a while, where the policy allows it", Args: cobra.MaximumNArgs(1),
		Long: `pause stops the collectors of focus, activity, sign-ins and domains on this device.
When it returns they have stopped: nothing is collected to be filtered later. It
ends by itself, or with --resume; after a restart of the agent, which it outlives,
only root ends it early. Without an argument it says whether a pause holds. Exit code 8: the policy does not allow it.`,
		Example: "  discreet-agent privacy pause 30m\n  discreet-agent privacy pause --resume",
		RunE: func(c *cobra.Command, args []string) error {
			q := map[string]string{}
			switch {
			case len(args) == 1 && resume:
				return fail(exitUsage, errors.New("a duration or --resume, not both"))
			case resume:
				q["resume"] = "yes"
			case len(args) == 1:
				if _, err := time.ParseDuration(args[0]); err != nil {
					return fail(exitUsage, fmt.Errorf("%.20q is no duration; hint: 30m or 1h", args[0]))
				}
				q["for"] = args[0]
			}
			var p view.Pause
			if err := s.askWith("pause", q, &p); err != nil {
				return err
			}
			if s.json {
				return printJSON(c.OutOrStdout(), p)
			}
			printPause(c.OutOrStdout(), p, s.language())
			return nil
		},
	}
	c.Flags().BoolVar(&resume, "resume", false, "end the pause now")
	return c
}

func printPause(w io.Writer, p view.Pause, l view.Lang) {
	for _, words := range p.Words(l) {
		fmt.Fprintln(w, words)
	}
	if p.Allowed && p.Until == nil {
		fmt.Fprintln(w, l.Text("pause.off"))
	}
	if p.Allowed {
		fmt.Fprintln(w, l.Text("pause.left", "left", fmt.Sprint(p.Left)))
	}
}
