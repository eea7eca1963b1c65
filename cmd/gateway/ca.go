package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent/durable"
	"github.com/discreet-agent/discreet/gateway/access"
)

func caCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "ca", Short: "the gateway's certificate authority"}
	var hosts []string
	initCmd := &cobra.Command{
		Use: "init --host NAME", Short: "make the authority and the gateway's own certificate", Args: cobra.NoArgs,
		Long: `init makes a key and a certificate for the authority, and a certificate for the
names and addresses under which agents reach this gateway. It overwrites nothing.`,
		RunE: func(c *cobra.Command, _ []string) error {
			set, err := s.settings()
			if err != nil {
				return err
			}
			if err := access.InitCA(set.CADir, access.CAOptions{TrustDomain: set.TrustDomain, Hosts: hosts}); err != nil {
				return fail(exitFailure, err)
			}
			ca, err := access.OpenCA(set.CADir)
			if err != nil {
				return fail(exitFailure, err)
			}
			if s.json {
				return printJSON(c.OutOrStdout(), map[string]string{"dir": set.CADir, "pin": ca.Pin()})
			}
			fmt.Fprintf(c.OutOrStdout(), "authority in %s\npin %s\n", set.CADir, ca.Pin())
			return nil
		},
	}
	initCmd.Flags().StringSliceVar(&hosts, "host", nil, "a name or address of this gateway; repeat for more")
	_ = initCmd.MarkFlagRequired("host")
	c.AddCommand(initCmd)
	return c
}

func tokenCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "tokens with which devices enrol"}
	c.AddCommand(tokenCreate(s), tokenList(s), tokenRevoke(s))
	return c
}

func tokenCreate(s *shared) *cobra.Command {
	var uses int
	var expires time.Duration
	var group, out string
	c := &cobra.Command{
		Use: "create", Short: "make a token and print it, once", Args: cobra.NoArgs,
		Long: `create makes a token that carries the authority's pin, so that a device that holds
it needs nothing else. The gateway keeps only its hash.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.with(c.Context(), func(r *room) error {
				ca, err := r.ca()
				if err != nil {
					return err
				}
				secret, tok, err := access.CreateToken(c.Context(), r.store, ca.Pin(), access.TokenOptions{
					Group: group, Uses: uses, Expires: time.Now().Add(expires), Now: time.Now(),
				})
				if err != nil {
					return fail(exitUsage, err)
				}
				if err := r.record(c.Context(), "token.create", "token", 0, 0); err != nil {
					return err
				}
				if out != "" {
					if err := durable.WriteFile(out, []byte(secret+"\n"), 0o600); err != nil {
						return err
					}
					secret = ""
				}
				if s.json {
					return printJSON(c.OutOrStdout(), map[string]any{"id": tok.ID, "token": secret, "uses": uses, "expires": tok.Expires, "group": group})
				}
				if out != "" {
					fmt.Fprintf(c.OutOrStdout(), "token %s in %s, %d uses until %s\n", tok.ID, out, uses, tok.Expires.Local().Format(time.DateTime))
					return nil
				}
				fmt.Fprintln(c.OutOrStdout(), secret)
				fmt.Fprintf(os.Stderr, "token %s: %d uses until %s; it is not shown again\n", tok.ID, uses, tok.Expires.Local().Format(time.DateTime))
				return nil
			})
		},
	}
	c.Flags().IntVar(&uses, "uses", 1, "how many devices may enrol with it")
	c.Flags().DurationVar(&expires, "expires", 24*time.Hour, "how long it is good")
	c.Flags().StringVar(&group, "group", "default", "the group that its devices belong to")
	c.Flags().StringVar(&out, "out", "", "write the token to this file, mode 0600, instead of printing it")
	return c
}

func tokenList(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "list the tokens, without their secrets", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.with(c.Context(), func(r *room) error {
				tokens, err := r.store.Tokens(c.Context())
				if err != nil {
					return err
				}
				rows := [][]string{{"ID", "GROUP", "USES LEFT", "EXPIRES", "STATE"}}
				type row struct {
					ID       string    `json:"id"`
					Group    string    `json:"group"`
					UsesLeft int       `json:"uses_left"`
					Expires  time.Time `json:"expires"`
					State    string    `json:"state"`
				}
				list := []row{}
				for _, t := range tokens {
					state := "good"
					switch {
					case t.Revoked:
						state = "revoked"
					case time.Now().After(t.Expires):
						state = "expired"
					case t.UsesLeft <= 0:
						state = "used up"
					}
					list = append(list, row{t.ID, t.Group, t.UsesLeft, t.Expires, state})
					rows = append(rows, []string{t.ID, t.Group, fmt.Sprint(t.UsesLeft), t.Expires.Local().Format(time.DateTime), state})
				}
				if s.json {
					return printJSON(c.OutOrStdout(), list)
				}
				return printTable(c.OutOrStdout(), rows)
			})
		},
	}
}

func tokenRevoke(s *shared) *cobra.Command {
	return s.confirmFlag(&cobra.Command{
		Use: "revoke ID", Short: "let no more devices enrol with a token", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.with(c.Context(), func(r *room) error {
				if err := s.confirm(c, "Revoke token "+strings.TrimSpace(args[0])+"?"); err != nil {
					return err
				}
				if err := r.store.RevokeToken(c.Context(), args[0]); err != nil {
					return err
				}
				return r.record(c.Context(), "token.revoke", "token", 0, 0)
			})
		},
	})
}
