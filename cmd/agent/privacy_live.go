package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent"
	"github.com/discreet-agent/discreet/agent/view"
)

func privacyPreview(s *shared) *cobra.Command {
	var span time.Duration
	var before bool
	c := &cobra.Command{
		Use: "preview", Short: "show live events as they would leave; sends and stores nothing", Args: cobra.NoArgs,
		Long: `preview shows your own events and those of the device as they pass the filter of
the running agent. Without one it runs the collectors itself, with your rights.
Root sees what leaves of everybody, and raw values of nobody else.`,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := context.WithTimeout(c.Context(), span)
			defer stop()
			show := printShown(c.OutOrStdout(), s.language())
			if s.json {
				show = func(sh view.Shown) { _ = writeLine(c.OutOrStdout(), sh) }
			}
			return s.preview(ctx, c.ErrOrStderr(), before, show)
		},
	}
	c.Flags().DurationVar(&span, "for", 10*time.Second, "how long to look")
	c.Flags().BoolVar(&before, "before-after", false, "show the raw value beside what would leave of it")
	return c
}

func (s *shared) preview(ctx context.Context, warn io.Writer, before bool, show func(view.Shown)) error {
	args := map[string]string{}
	if before {
		args["before"] = "yes"
	}
	err := view.Follow(ctx, s.dir(), view.Request{Command: "preview", Args: args}, func(raw json.RawMessage) error {
		var sh view.Shown
		if err := json.Unmarshal(raw, &sh); err != nil {
			return err
		}
		show(sh)
		return nil
	})
	if !errors.Is(err, view.ErrNotRunning) && !errors.Is(err, view.ErrPermission) {
		return askFailed(err)
	}
	if err := agent.Preview(ctx, s.loaded(), version, before, show); err != nil {
		fmt.Fprintf(warn, "discreet-agent: %v: what would be hashed is dropped\n", err)
	}
	return nil
}

func privacyLast(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "last [N]", Short: "show the newest records that were sent, yours and the device's: the very bytes", Args: cobra.MaximumNArgs(1),
		Long: `last shows the newest N (20) records as the running agent gave them to its spool,
from where they are sent: their fields, and the SHA-256 of their very bytes; with
--json the bytes too. They are kept in memory only: at most 1,000, for 24 hours,
until the agent stops. You see your own and the device's; root sees all of them.`,
		RunE: func(c *cobra.Command, args []string) error {
			q := map[string]string{}
			if len(args) == 1 {
				q["n"] = args[0]
			}
			var last view.Last
			if err := s.askWith("last", q, &last); err != nil {
				return err
			}
			if s.json {
				return printJSON(c.OutOrStdout(), last)
			}
			printLast(c.OutOrStdout(), last, s.language())
			return nil
		},
	}
}

func printLast(w io.Writer, last view.Last, l view.Lang) {
	for _, e := range last.Events {
		fmt.Fprintf(w, "%s  %s  %s\n", e.Time.Local().Format(time.DateTime), e.Kind, l.Text("last.record", "bytes", strconv.Itoa(e.Bytes), "digest", e.SHA256))
		for _, n := range sortedNames(e.Fields) {
			fmt.Fprintf(w, "  %-28s %s\n", n, view.Clean(e.Fields[n]))
		}
	}
	if len(last.Events) == 0 {
		fmt.Fprintln(w, l.Text("last.none"))
	}
	if last.NoUser {
		fmt.Fprintln(w, l.Text("last.nouser"))
	}
}

func sortedNames(of ...map[string]string) []string {
	seen := map[string]bool{}
	var names []string
	for _, m := range of {
		for n := range m {
			if !seen[n] {
				seen[n] = true
				names = append(names, n)
			}
		}
	}
	sort.Strings(names)
	return names
}

// printShown writes one event as lines of "field before -> after".
func printShown(w io.Writer, l view.Lang) func(view.Shown) {
	return func(s view.Shown) {
		state := ""
		if s.Dropped {
			state = "  " + l.Text("shown.whole")
		}
		fmt.Fprintf(w, "%s%s\n", s.Kind, state)
		for _, n := range sortedNames(s.After, s.Before) {
			after, ok := s.After[n]
			if !ok {
				after = l.Text("shown.dropped")
			}
			if b, raw := s.Before[n]; raw {
				fmt.Fprintf(w, "  %-28s %q -> %s\n", n, b, view.Clean(after))
			} else {
				fmt.Fprintf(w, "  %-28s %s\n", n, view.Clean(after))
			}
		}
	}
}
