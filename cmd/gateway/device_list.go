package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/configs"
)

// listFilter says which devices a list shows: those that every flag lets through.
type listFilter struct {
	stale   string
	version string
	policy  string
	group   string
	tags    []string
	reasons []string
}

// check reports a flag that cannot be meant, and the age from which a device counts
// as stale.
func (f *listFilter) check() (time.Duration, error) {
	if len(f.policy) > 0 {
		if digits := f.policy + "0"[:len(f.policy)%2]; len(f.policy) < 4 || len(f.policy) > 64 {
			return 0, errors.New("--policy: want the digest, or 4 or more of its first digits; hint: discreet-agent status names it")
		} else if _, err := hex.DecodeString(digits); err != nil {
			return 0, errors.New("--policy: want hexadecimal digits; hint: discreet-agent status names the digest")
		}
	}
	for _, why := range f.reasons {
		if !slices.Contains(allReasons, reason(why)) {
			return 0, fmt.Errorf("--reason %.40q: want one of %v", why, allReasons)
		}
	}
	if f.stale == "" {
		return defaultStale, nil
	}
	age, err := configs.ParseDuration(f.stale)
	if err != nil {
		return 0, fmt.Errorf("--stale: %w", err)
	}
	return age, nil
}

func (f *listFilter) lets(r deviceRow) bool {
	has := func(tag string) bool { return slices.Contains(r.Tags, tag) }
	gives := func(why string) bool { return slices.Contains(r.Reasons, reason(why)) }
	not := func(holds func(string) bool) func(string) bool { return func(s string) bool { return !holds(s) } }
	return (f.stale == "" || gives(string(reasonStale))) &&
		(f.version == "" || r.Version == f.version) &&
		(f.group == "" || r.Group == f.group) &&
		strings.HasPrefix(r.PolicyDigest, strings.ToLower(f.policy)) &&
		!slices.ContainsFunc(f.tags, not(has)) && !slices.ContainsFunc(f.reasons, not(gives))
}

func deviceList(s *shared) *cobra.Command {
	f := &listFilter{}
	c := &cobra.Command{
		Use: "list", Short: "list the devices: which are there, what they run, and what is missing", Args: cobra.NoArgs,
		Long: `list shows each device with its asset id, tags, system, agent version, policy, last
contact, health, and the reasons for what is missing. Flags combine: a device is
shown where all of them fit. --stale shows the devices of which a contact is due and
did not come for that long; one that is revoked or superseded is not due.`,
		Example: `  discreet-gateway device list --stale 7d
  discreet-gateway device list --tag pilot --version 1.4.2 --json
  discreet-gateway device list --reason settings_refused`,
		RunE: func(c *cobra.Command, _ []string) error {
			age, err := f.check()
			if err != nil {
				return fail(exitUsage, err)
			}
			return s.with(c.Context(), func(r *room) error {
				rows, err := r.fleet(c.Context(), time.Now(), age)
				if err != nil {
					return err
				}
				rows = slices.DeleteFunc(rows, func(d deviceRow) bool { return !f.lets(d) })
				if s.json {
					return printJSON(c.OutOrStdout(), rows)
				}
				return printDevices(c.OutOrStdout(), rows)
			})
		},
	}
	c.Flags().StringVar(&f.stale, "stale", "", "those without a contact for so long, such as 7d or 12h")
	c.Flags().StringVar(&f.version, "version", "", "those that run this version of the agent")
	c.Flags().StringVar(&f.policy, "policy", "", "those under the policy with this digest, or with these first digits of it")
	c.Flags().StringVar(&f.group, "group", "", "those that enrolled with a token of this group")
	c.Flags().StringArrayVar(&f.tags, "tag", nil, "those with this tag; repeat for all of several")
	c.Flags().StringArrayVar(&f.reasons, "reason", nil, "those with this reason, such as settings_refused; repeat for all of several")
	return c
}

func printDevices(w io.Writer, rows []deviceRow) error {
	table := [][]string{{"DEVICE", "ASSET", "TAGS", "GROUP", "SYSTEM", "VERSION", "POLICY", "LAST CONTACT", "HEALTH", "REASONS"}}
	for _, r := range rows {
		last := "never"
		if r.LastContact != nil {
			last = r.LastContact.Local().Format(time.DateTime)
		}
		words := make([]string, len(r.Reasons))
		for i, why := range r.Reasons {
			if words[i] = string(why); why == reasonSuperseded {
				words[i] += " by " + r.SupersededBy
			}
		}
		row := []string{r.Device, r.AssetID, strings.Join(r.Tags, ","), r.Group, r.System, r.Version,
			fmt.Sprintf("%.16s", r.PolicyDigest), last, r.Health.State, strings.Join(words, ", ")}
		for i, cell := range row {
			row[i] = printable(cell)
		}
		table = append(table, row)
	}
	return printTable(w, table)
}

// printable returns a cell of a table: what a device says of itself must not move
// the cursor, and an empty cell must show.
func printable(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
