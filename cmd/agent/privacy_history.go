package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent"
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
			printHistory(c.OutOrStdout(), past)
			return nil
		},
	}
}

func printHistory(w io.Writer, past []agent.Change) {
	for _, c := range past {
		fmt.Fprintf(w, "%s  %.16s", c.Time.Local().Format(time.DateTime), c.Digest)
		if c.SetBy != "" {
			fmt.Fprintf(w, "  set by %s", c.SetBy)
		}
		fmt.Fprintln(w)
		if c.OnlyHealth {
			fmt.Fprintln(w, "  no valid settings: nothing but health leaves")
		}
		for _, k := range c.Changed {
			before := k.Before
			if before == "" {
				before = "(none)"
			}
			by := strings.TrimSpace(k.Layer + " " + k.Source)
			if k.BoundBy != "" {
				by += " (" + k.BoundBy + ")"
			}
			fmt.Fprintf(w, "  %-18s %s -> %s, by %s\n", k.Key, before, k.After, by)
		}
		printSigned(w, "floor", c.Floor)
		printSigned(w, "push", c.Push)
		for _, p := range c.Pending {
			fmt.Fprintf(w, "  %-18s will be %s from %s\n", p.Key, orList(p.To), p.At.Local().Format(time.DateTime))
		}
		for _, r := range c.Refused {
			fmt.Fprintf(w, "  refused %s: %s %s\n", r.Place, r.Key, r.Text)
		}
	}
}

// orList names a pending change of a list, whose content is not told before.
func orList(level string) string {
	if level == "" {
		return "looser"
	}
	return level
}

// printSigned says who signed what holds.
func printSigned(w io.Writer, what string, v *configs.Vouched) {
	if v == nil {
		return
	}
	fmt.Fprintf(w, "  %s version %d, signed by %s (%d of %d must sign)", what, v.Version, strings.Join(v.Signers, ", "), v.Threshold, v.Pinned)
	if v.Coming > 0 {
		fmt.Fprintf(w, "; version %d waits for its notice", v.Coming)
	}
	fmt.Fprintln(w)
}
