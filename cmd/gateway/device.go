package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/audit"
)

// record writes an audit line for an act of the operator.
func (r *room) record(ctx context.Context, action, kind string, subjects, events int64) error {
	return r.audit.Record(ctx, audit.Entry{Who: operator(), Action: action, Kind: kind, Outcome: audit.OK, Subjects: subjects, Events: events, When: time.Now()})
}

// printTable writes rows in columns; the first row is the head.
func printTable(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	return t.Flush()
}

func deviceCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "device", Short: "the devices that have enrolled"}
	c.AddCommand(deviceList(s), deviceShow(s), deviceRevoke(s), deviceDelete(s))
	return c
}

func deviceShow(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "show DEVICE", Short: "print what is known of a device", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.with(c.Context(), func(r *room) error {
				rows, err := r.fleet(c.Context(), time.Now(), defaultStale)
				if err != nil {
					return err
				}
				i := slices.IndexFunc(rows, func(d deviceRow) bool { return d.Device == args[0] })
				if i < 0 {
					return fmt.Errorf("device: %w; hint: discreet-gateway device list", gateway.ErrNotFound)
				}
				return printJSON(c.OutOrStdout(), rows[i])
			})
		},
	}
}

func deviceRevoke(s *shared) *cobra.Command {
	return s.confirmFlag(&cobra.Command{
		Use: "revoke DEVICE", Short: "refuse a device from now on; what it sent stays", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.with(c.Context(), func(r *room) error {
				if err := s.confirm(c, "Refuse this device from now on?"); err != nil {
					return err
				}
				if err := r.store.Revoke(c.Context(), gateway.Device(args[0])); err != nil {
					return fmt.Errorf("device: %w", err)
				}
				return r.record(c.Context(), "device.revoke", "machine", 0, 0)
			})
		},
	})
}

func deviceDelete(s *shared) *cobra.Command {
	return s.confirmFlag(&cobra.Command{
		Use: "delete DEVICE", Short: "remove a device and everything that it sent", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.with(c.Context(), func(r *room) error {
				subjects, err := r.store.Subjects(c.Context(), gateway.Query{Kind: gateway.Machine, Device: gateway.Device(args[0])})
				if err != nil {
					return err
				}
				return s.erase(c, r, "Delete", subjects)
			})
		},
	})
}
