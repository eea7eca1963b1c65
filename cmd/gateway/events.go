package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/discreet-agent/discreet/gateway"
)

func eventsCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "events", Short: "look at what is stored"}
	var n int
	tail := &cobra.Command{
		Use: "tail", Short: "print the newest events, one JSON object a line", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.with(c.Context(), func(r *room) error {
				var shown int64
				for st, err := range r.store.Events(c.Context(), n) {
					if err != nil {
						return err
					}
					if err := printStored(c.OutOrStdout(), st); err != nil {
						return err
					}
					shown++
				}
				return r.record(c.Context(), "events.export", "event", 0, shown)
			})
		},
	}
	tail.Flags().IntVar(&n, "n", 20, "how many; 0: all")
	totals := &cobra.Command{
		Use: "totals", Short: "count what is stored, by kind", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.with(c.Context(), func(r *room) error {
				t, err := r.store.Totals(c.Context())
				if err != nil {
					return err
				}
				return printTotals(c.OutOrStdout(), t, s.json)
			})
		},
	}
	c.AddCommand(tail, totals)
	return c
}

// printStored writes a stored event as a line of JSON. What is stored has been
// filtered: this is what the gateway is for.
func printStored(w io.Writer, st gateway.Stored) error {
	b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(st.Event)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, `{"device":%q,"epoch":%q,"seq":%d,"event":%s}`+"\n", string(st.Device), hex.EncodeToString(st.Epoch[:]), st.Seq, b)
	return err
}

func printTotals(w io.Writer, t gateway.Totals, asJSON bool) error {
	if asJSON {
		return printJSON(w, map[string]any{
			"events": t.Events, "kinds": t.Kinds, "duplicates": t.Duplicates, "skipped": t.Skipped, "gaps": t.Gaps, "lost": t.Lost,
		})
	}
	rows := [][]string{{"KIND", "EVENTS"}}
	for kind, n := range t.Kinds {
		rows = append(rows, []string{kind, fmt.Sprint(n)})
	}
	rows = append(rows, []string{"all", fmt.Sprint(t.Events)}, []string{"duplicates", fmt.Sprint(t.Duplicates)},
		[]string{"sent again and skipped", fmt.Sprint(t.Skipped)}, []string{"lost, as agents report", fmt.Sprint(t.Lost)})
	return printTable(w, rows)
}

func retentionCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "retention", Short: "how long events are kept"}
	show := &cobra.Command{
		Use: "show", Short: "print the retention in force", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			set, err := s.settings()
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(c.OutOrStdout(), map[string]any{"retention_seconds": int64(set.Retention.Seconds())})
			}
			fmt.Fprintf(c.OutOrStdout(), "%d days\n", int(set.Retention.Hours()/24))
			return nil
		},
	}
	apply := s.confirmFlag(&cobra.Command{
		Use: "apply", Short: "remove now what is older than the retention", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.with(c.Context(), func(r *room) error {
				before := time.Now().Add(-r.set.Retention)
				if err := s.confirm(c, "Remove every event from before "+before.Local().Format(time.DateOnly)+", for good?"); err != nil {
					return err
				}
				n, err := r.duties().Expire(c.Context(), before)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "removed %d events\n", n)
				return err
			})
		},
	})
	c.AddCommand(show, apply)
	return c
}

func auditCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "who did what with people's data"}
	var n int
	show := &cobra.Command{
		Use: "show", Short: "print the newest audit lines", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.with(c.Context(), func(r *room) error {
				entries, err := r.audit.Show(n)
				if err != nil {
					return err
				}
				if s.json {
					return printJSON(c.OutOrStdout(), entries)
				}
				rows := [][]string{{"WHEN", "WHO", "ACTION", "KIND", "OUTCOME", "SUBJECTS", "EVENTS"}}
				for _, e := range entries {
					rows = append(rows, []string{e.When.Local().Format(time.DateTime), e.Who, e.Action, e.Kind, string(e.Outcome), fmt.Sprint(e.Subjects), fmt.Sprint(e.Events)})
				}
				return printTable(c.OutOrStdout(), rows)
			})
		},
	}
	show.Flags().IntVar(&n, "n", 50, "how many; 0: all")
	verify := &cobra.Command{
		Use: "verify", Short: "prove that no audit line was changed or taken away", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.with(c.Context(), func(r *room) error {
				if err := r.audit.Verify(); err != nil {
					return errors.Join(errors.New("the audit log is not whole"), err)
				}
				fmt.Fprintln(c.OutOrStdout(), "whole")
				return nil
			})
		},
	}
	c.AddCommand(show, verify)
	return c
}
