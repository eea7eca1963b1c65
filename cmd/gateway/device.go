package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
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

// deviceRow is a device as scripts read it.
type deviceRow struct {
	Device       string     `json:"device"`
	Group        string     `json:"group"`
	AssetID      string     `json:"asset_id"`
	Tags         []string   `json:"tags"`
	System       string     `json:"system"`
	Version      string     `json:"agent_version"`
	PolicyDigest string     `json:"policy_digest"`
	Enrolled     time.Time  `json:"enrolled"`
	LastContact  *time.Time `json:"last_contact"`
	CertExpires  time.Time  `json:"certificate_expires"`
	Revoked      bool       `json:"revoked"`
}

func rowOf(d gateway.DeviceRecord) deviceRow {
	r := deviceRow{
		Device: string(d.Device), Group: d.Group, AssetID: d.AssetID, Tags: d.Tags,
		System:  strings.ToLower(strings.TrimPrefix(d.System.String(), "SYSTEM_")),
		Version: d.AgentVersion, PolicyDigest: hex.EncodeToString(d.PolicyDigest),
		Enrolled: d.Enrolled, CertExpires: d.CertExpires, Revoked: d.Revoked,
	}
	if !d.LastContact.IsZero() {
		r.LastContact = &d.LastContact
	}
	return r
}

func deviceList(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "list the devices", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.with(c.Context(), func(r *room) error {
				devices, err := r.store.Devices(c.Context())
				if err != nil {
					return err
				}
				list := []deviceRow{}
				rows := [][]string{{"DEVICE", "GROUP", "ASSET", "SYSTEM", "VERSION", "POLICY", "LAST CONTACT", "STATE"}}
				for _, d := range devices {
					row := rowOf(d)
					list = append(list, row)
					last, state := "never", "good"
					if row.LastContact != nil {
						last = row.LastContact.Local().Format(time.DateTime)
					}
					if row.Revoked {
						state = "revoked"
					}
					rows = append(rows, []string{row.Device, row.Group, row.AssetID, row.System, row.Version, fmt.Sprintf("%.16s", row.PolicyDigest), last, state})
				}
				if s.json {
					return printJSON(c.OutOrStdout(), list)
				}
				return printTable(c.OutOrStdout(), rows)
			})
		},
	}
}

func deviceShow(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "show DEVICE", Short: "print what is known of a device", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.with(c.Context(), func(r *room) error {
				d, err := r.store.Device(c.Context(), gateway.Device(args[0]))
				if err != nil {
					return fmt.Errorf("device: %w", err)
				}
				return printJSON(c.OutOrStdout(), rowOf(d))
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
