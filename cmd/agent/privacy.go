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

	"github.com/discreet-agent/discreet/agent"
	"github.com/discreet-agent/discreet/agent/view"
)

func privacyCommand(s *shared) *cobra.Command {
	c := &cobra.Command{
		Use: "privacy", Short: "what may leave this device, and what would become of a value",
		Long: `privacy is for the person at this device; it needs no admin rights. What it answers
of a person goes to that person alone: the system says who asks.`,
	}
	c.PersistentFlags().StringVar(&s.lang, "lang", "", "en or de (default: that of your session)")
	c.AddCommand(privacyShow(s), privacyExplain(s), privacyTry(s), privacyPreview(s), privacyLast(s),
		privacyWhoami(s), privacyInventory(s), privacyPause(s), privacyHistory(s))
	return c
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

// askWith puts a question with arguments to the running agent.
func (s *shared) askWith(command string, args map[string]string, v any) error {
	return askFailed(view.Ask(s.dir(), view.Request{Command: command, Args: args}, v))
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

func privacyExplain(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "explain KEY", Short: "say what one kind of data is, who decided its level, and what leaves of your own", Args: cobra.ExactArgs(1),
		Long: `explain asks the running agent, which knows the pseudonym key. With --config, or
without an agent, it reads the files, and what would be hashed is dropped where
you may not read the key.`,
		RunE: func(c *cobra.Command, args []string) error {
			e, err := s.explained(strings.TrimPrefix(args[0], "privacy."))
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(c.OutOrStdout(), e)
			}
			return printExplained(c.OutOrStdout(), e, s.language())
		},
	}
}

func (s *shared) explained(key string) (agent.Explained, error) {
	var e agent.Explained
	if s.config == "" {
		err := s.askWith("explain", map[string]string{"key": key}, &e)
		if err == nil || !errors.Is(err, view.ErrNotRunning) && !errors.Is(err, view.ErrPermission) {
			return e, err
		}
	}
	e, err := agent.Explain(s.loaded(), key)
	return e, fail(exitUsage, err)
}

func printExplained(w io.Writer, e agent.Explained, l view.Lang) error {
	fmt.Fprintln(w, strings.TrimRight(e.Explanation.String(), "\n"))
	key := strings.TrimPrefix(e.Key, "privacy.")
	if !l.Knows(key) {
		return nil // a setting that is no kind of data
	}
	fmt.Fprintf(w, "  %s: %s\n  %s: %s\n", l.Text("explain.class"), l.Key(key), l.Text("explain.leaves"), l.Level(key, e.Value))
	if len(e.Own) == 0 {
		fmt.Fprintf(w, "  %s\n", l.Text("explain.none"))
		return nil
	}
	fmt.Fprintf(w, "  %s:\n", l.Text("explain.yours"))
	for _, o := range e.Own {
		after := o.After
		if o.Dropped {
			after = l.Text("explain.dropped")
		}
		fmt.Fprintf(w, "    %s: %q -> %s\n", o.Name, o.Before, after)
	}
	if e.NoKey != "" {
		fmt.Fprintf(w, "    %s\n", l.Text("explain.nokey"))
	}
	return nil
}

func privacyWhoami(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "say by which pseudonym your records are found, to ask for them", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var me view.Whoami
			if err := s.askWith("whoami", nil, &me); err != nil {
				return err
			}
			if s.json {
				return printJSON(c.OutOrStdout(), me)
			}
			printWhoami(c.OutOrStdout(), me, s.language())
			return nil
		},
	}
}

func printWhoami(w io.Writer, me view.Whoami, l view.Lang) {
	or := func(v, id string) string {
		if v == "" {
			return l.Text(id)
		}
		return v
	}
	fmt.Fprintf(w, "%s: %s (uid %d)\n", l.Text("whoami.account"), me.Account, me.UID)
	missing := "whoami.none"
	if me.Level != "drop" {
		missing = "whoami.nokey"
	}
	fmt.Fprintf(w, "%s: %s\n", l.Text("whoami.name"), or(me.InData, missing))
	fmt.Fprintf(w, "%s: %s\n", l.Text("whoami.pseudonym"), or(strings.Join(me.Pseudo, ", "), "whoami.nokey"))
	fmt.Fprintf(w, "%s: %s, %s\n", l.Text("whoami.key"), or(me.KeyID, "whoami.nokey"), me.Mode)
	fmt.Fprintf(w, "%s: %s\n", l.Text("whoami.device"), or(me.Device, "whoami.unenrolled"))
	fmt.Fprintf(w, "%s: %s\n", l.Text("who.contact"), or(me.Contact, "who.unsaid"))
	fmt.Fprintln(w, l.Text("rights.whoami"))
}

func privacyPause(s *shared) *cobra.Command {
	var resume bool
	c := &cobra.Command{
		Use: "pause [DURATION]", Short: "stop what sees your behaviour for a while, where the policy allows it", Args: cobra.MaximumNArgs(1),
		Long: `pause stops the collectors of focus, activity, sign-ins and domains on this device.
When it returns they have stopped: nothing is collected to be filtered later. It
ends by itself, or with --resume. Without an argument it says whether a pause
holds. Exit code 8: the policy does not allow it.`,
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
