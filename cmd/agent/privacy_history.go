package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent"
	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/configs"
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
		printSigned(w, l, "floor", c.Floor)
		printSigned(w, l, "push", c.Push)
		for _, p := range c.Pending {
			fmt.Fprintf(w, "  %s\n", view.Pending{Key: p.Key, Before: p.From, After: p.To, From: p.At}.Words(l))
		}
		for _, r := range c.Refused {
			fmt.Fprintf(w, "  %s\n", view.Clean(l.Text("history.refused", "place", r.Place, "text", r.Key+" "+r.Text)))
		}
	}
}

// printSigned says who signed what holds.
func printSigned(w io.Writer, l view.Lang, what string, v *configs.Vouched) {
	if v == nil {
		return
	}
	fmt.Fprintf(w, "  %s\n", view.Clean(l.Text("history.signed", "what", l.Text("history."+what), "version", strconv.FormatInt(v.Version, 10),
		"keys", strings.Join(v.Signers, ", "), "threshold", strconv.Itoa(v.Threshold), "pinned", strconv.Itoa(v.Pinned))))
	if v.Coming > 0 {
		fmt.Fprintf(w, "  %s\n", view.Clean(l.Text("history.coming", "version", strconv.FormatInt(v.Coming, 10))))
	}
}
