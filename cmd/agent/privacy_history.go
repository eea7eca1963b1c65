package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent"
	"github.com/discreet-agent/discreet/agent/view"
)

func privacyHistory(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "history", Short: "list how the policy changed: when, what, and who decided it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			past := []agent.Change{}
			if err := s.ask("privacy_history", &past); err != nil {
				return err
			}
			if s.json {
				return printJSON(c.OutOrStdout(), past)
			}
			printHistory(c.OutOrStdout(), past, s.language())
			return nil
		},
	}
}

func printHistory(w io.Writer, past []agent.Change, l view.Lang) {
	if len(past) == 0 {
		fmt.Fprintln(w, l.Text("history.empty"))
	}
	for _, c := range past {
		fmt.Fprintf(w, "%s  %.16s", c.Time.Local().Format(time.DateTime), c.Digest)
		if c.SetBy != "" {
			fmt.Fprintf(w, "  %s", l.Text("history.set_by", "who", view.Clean(c.SetBy)))
		}
		fmt.Fprintln(w)
		if c.OnlyHealth {
			fmt.Fprintf(w, "  %s\n", l.Text("history.health"))
		}
		for _, k := range c.Changed {
			before := k.Before
			if before == "" {
				before = l.Text("history.none")
			}
			by := view.PageKey{Layer: k.Layer, Source: k.Source, BoundBy: k.BoundBy}.By(l)
			fmt.Fprintf(w, "  %s\n", view.Clean(l.Text("history.change", "key", k.Key, "before", before, "after", k.After, "by", by)))
		}
		for _, p := range c.Pending {
			fmt.Fprintf(w, "  %s\n", view.Pending{Key: p.Key, Before: p.From, After: p.To, From: p.At}.Words(l))
		}
		for _, r := range c.Refused {
			fmt.Fprintf(w, "  %s\n", view.Clean(l.Text("history.refused", "place", r.Place, "text", r.Key+" "+r.Text)))
		}
	}
}
