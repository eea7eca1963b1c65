package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent/durable"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/gateway"
)

// pushEvery is how often the service looks whether another policy is to be pushed.
const pushEvery = 2 * time.Second

// pushFile is where the policy lies that every agent is sent.
func pushFile(set configs.Gateway) string { return filepath.Join(set.DataDir, "push.json") }

// pusher hands the pushed policy to the streams whenever it changes.
type pusher struct {
	file string
	push func(envelope []byte)
	log  *slog.Logger
	seen []byte
	bad  bool // it could not be read the last time
}

// look reads the file. One that cannot be read changes nothing.
func (p *pusher) look() {
	data, err := readBounded(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = nil, nil
	}
	if err != nil {
		if !p.bad {
			p.log.Error("pushed policy cannot be read", "err", err)
		}
		p.bad = true
		return
	}
	if p.bad = false; bytes.Equal(data, p.seen) {
		return
	}
	p.seen = data
	p.push(data)
	p.log.Info("policy pushed", "bytes", len(data))
}

func policyPush(s *shared) *cobra.Command {
	var keys []string
	var stop bool
	c := &cobra.Command{
		Use: "push FILE", Short: "send a signed policy to every agent, now and when it connects",
		Long: `FILE is an envelope of "policy sign --kind push". An agent takes it where its own
settings pin the signers (trust.push), its time has come, and its version is higher
than any that it took before; "policy status" shows what became of it. --stop sends
it to no more agents: those that have it keep it.`,
		Args: func(_ *cobra.Command, args []string) error {
			if stop != (len(args) == 0) || len(args) > 1 {
				return errors.New("want one FILE, or --stop alone")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return s.with(c.Context(), func(r *room) error {
				if stop {
					if err := os.Remove(pushFile(r.set)); err != nil && !errors.Is(err, fs.ErrNotExist) {
						return err
					}
					return r.record(c.Context(), "policy.stop", "policy", 0, 0)
				}
				return s.push(c, r, args[0], keys)
			})
		},
	}
	c.Flags().StringArrayVar(&keys, "key", nil, "the public key of one who must have signed; can stand several times")
	c.Flags().BoolVar(&stop, "stop", false, "push nothing any more")
	return c
}

// push checks what can be checked here, and lays the policy where the service finds
// it. What counts is what each agent finds.
func (s *shared) push(c *cobra.Command, r *room, file string, keys []string) error {
	if len(keys) == 0 {
		return fail(exitUsage, errors.New("want --key FILE: the signers whose keys the agents pin"))
	}
	data, b, err := pushable(file, keys)
	if err != nil {
		return err
	}
	before, err := readBounded(pushFile(r.set))
	if err == nil && !bytes.Equal(before, data) {
		old, _, _, err := configs.Verify(pushFile(r.set), before, nil)
		if err == nil && b.Version <= old.Version {
			return fmt.Errorf("version %d, and %d is pushed already; hint: versions only grow", b.Version, old.Version)
		}
	}
	if err := durable.WriteFile(pushFile(r.set), data, 0o600); err != nil {
		return err
	}
	if err := r.record(c.Context(), "policy.push", "policy", 0, 0); err != nil {
		return err
	}
	if s.json {
		return printJSON(c.OutOrStdout(), map[string]any{"version": b.Version})
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "version %d goes to every agent; \"discreet-gateway policy status\" shows what becomes of it\n", b.Version)
	return err
}

// pushable reads a policy that agents with these keys would take today.
func pushable(file string, keys []string) ([]byte, configs.Bundle, error) {
	data, err := readBounded(file)
	if err != nil {
		return nil, configs.Bundle{}, err
	}
	var public [][]byte
	for _, k := range keys {
		text, err := readBounded(k)
		if err != nil {
			return nil, configs.Bundle{}, err
		}
		public = append(public, text)
	}
	b, by, faults, err := configs.Verify(file, data, public)
	switch {
	case err != nil:
		return nil, b, fmt.Errorf("verify: %w", err)
	case len(faults) > 0:
		return nil, b, fail(exitConfig, fmt.Errorf("faults: %d, the first %s", len(faults), faults[0]))
	case b.Kind != "push":
		return nil, b, fmt.Errorf("%s is a %s, want a push; hint: policy sign --kind push", file, b.Kind)
	case slices.Contains(by, false):
		return nil, b, fmt.Errorf("not signed with %s", keys[slices.Index(by, false)])
	case !time.Now().Before(b.Expires):
		return nil, b, fmt.Errorf("expired at %s", b.Expires.UTC().Format(time.RFC3339))
	}
	return data, b, nil
}

// pushRow says of one device what became of pushed policies there.
type pushRow struct {
	Device   string     `json:"device"`
	AssetID  string     `json:"asset_id"`
	Version  int64      `json:"version"`  // that holds there, as it says; 0: none
	Refused  string     `json:"refused"`  // why it refused the newest one; "": it did not
	Answered *time.Time `json:"answered"` // when it last said something about one
	State    string     `json:"state"`    // current, older, refused, silent
}

// pushStatus is what "policy status" says.
type pushStatus struct {
	Pushed  int64          `json:"pushed"` // the version; 0: none is
	Expires *time.Time     `json:"expires"`
	Counts  map[string]int `json:"counts"` // by state
	Devices []pushRow      `json:"devices"`
}

func policyStatus(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "say which version of a pushed policy each device has, and why not the newest", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.with(c.Context(), func(r *room) error {
				st, err := r.pushStatus(c.Context())
				if err != nil {
					return err
				}
				if s.json {
					return printJSON(c.OutOrStdout(), st)
				}
				return st.print(c.OutOrStdout())
			})
		},
	}
}

func (r *room) pushStatus(ctx context.Context) (pushStatus, error) {
	st := pushStatus{Counts: map[string]int{}, Devices: []pushRow{}}
	data, err := readBounded(pushFile(r.set))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return st, err
	}
	if err == nil {
		b, _, _, err := configs.Verify(pushFile(r.set), data, nil)
		if err != nil {
			return st, err
		}
		st.Pushed, st.Expires = b.Version, &b.Expires
	}
	devices, states, err := r.devices(ctx)
	if err != nil {
		return st, err
	}
	for _, d := range devices {
		if d.Revoked {
			continue
		}
		row := pushRowOf(d, states[d.Device], st.Pushed)
		st.Counts[row.State]++
		st.Devices = append(st.Devices, row)
	}
	return st, nil
}

// pushRowOf joins what a device said of the policy in force and of the last push.
func pushRowOf(d gateway.DeviceRecord, st gateway.DeviceState, pushed int64) pushRow {
	row := pushRow{Device: string(d.Device), AssetID: d.AssetID, Version: int64(st.Policy.GetVersion()), State: "silent"}
	if st.Push != nil {
		row.Answered = &st.PushAt
		if st.Push.Reason == 0 {
			row.Version = max(row.Version, int64(st.Push.Version))
		} else {
			row.Refused = strings.ToLower(strings.TrimPrefix(st.Push.Reason.String(), "POLICY_REFUSAL_"))
		}
	}
	switch {
	case row.Version >= pushed && row.Version > 0:
		row.State = "current"
	case row.Refused != "":
		row.State = "refused"
	case row.Version > 0:
		row.State = "older"
	}
	return row
}

func (st pushStatus) print(w io.Writer) error {
	if st.Pushed == 0 {
		fmt.Fprintln(w, "no policy is pushed")
	} else {
		fmt.Fprintf(w, "version %d is pushed, good until %s\n", st.Pushed, st.Expires.UTC().Format(time.RFC3339))
	}
	rows := [][]string{{"DEVICE", "ASSET", "VERSION", "STATE", "REFUSED", "ANSWERED"}}
	for _, r := range st.Devices {
		answered := "never"
		if r.Answered != nil {
			answered = r.Answered.Local().Format(time.DateTime)
		}
		rows = append(rows, []string{r.Device, printable(r.AssetID), fmt.Sprint(r.Version), r.State, printable(r.Refused), answered})
	}
	return printTable(w, rows)
}
