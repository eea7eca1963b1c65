package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/duties"
	"github.com/discreet-agent/discreet/privacy"
)

// selectFlags say whom a duty is about.
type selectFlags struct {
	users, pseudonyms, aliases                      []string
	device, deviceName, keyFile, keyID, realm, host string
	os, officerKey                                  string
}

func (f *selectFlags) add(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.users, "user", nil, "a name of the person, as the system knows it, or her UPN or SID; repeat for earlier names")
	c.Flags().StringSliceVar(&f.pseudonyms, "pseudonym", nil, "a pseudonym of the person or device (discreet-agent privacy whoami)")
	c.Flags().StringVar(&f.device, "device", "", "a device by its id")
	c.Flags().StringVar(&f.deviceName, "device-name", "", "a device by its name")
	c.Flags().StringVar(&f.keyFile, "key-file", "", "the pseudonym key, to turn clear names into pseudonyms")
	c.Flags().StringVar(&f.keyID, "key-id", "", "the id of that key (default: made from the key)")
	c.Flags().StringVar(&f.officerKey, "officer-key", "", "the officer's private key, to open the sealed names of devices in mode sealed")
	c.Flags().StringVar(&f.realm, "realm", "", "the realm of the account, such as corp.example.com")
	c.Flags().StringVar(&f.host, "host", "", "the device's host name, for an account that is local to it")
	c.Flags().StringSliceVar(&f.aliases, "alias", nil, "realms that are one, FROM=TO, as realm_aliases of the agents says; repeat for more")
	c.Flags().StringVar(&f.os, "os", "linux", "the system of the account: linux, windows or darwin")
}

// homeless reports whether a name says neither on which device nor in which realm
// the account is: most pseudonyms are of both together, and are not found then.
func (f *selectFlags) homeless() bool {
	bare := func(name string) bool { return !strings.ContainsAny(name, `\/@`) }
	return f.host == "" && f.realm == "" && slices.ContainsFunc(f.users, bare)
}

// selector turns the flags into a question to the duties.
func (f *selectFlags) selector() (duties.Selector, error) {
	sel := duties.Selector{
		Kind: gateway.Person, Names: f.users, Pseudonyms: f.pseudonyms, Device: gateway.Device(f.device),
		KeyFile: f.keyFile, KeyID: f.keyID, Realm: f.realm, Host: f.host, OS: privacy.OS(f.os),
		OfficerKeyFile: f.officerKey,
	}
	for _, alias := range f.aliases {
		from, to, ok := strings.Cut(alias, "=")
		if !ok {
			return sel, fmt.Errorf("--alias %s: want FROM=TO", alias)
		}
		sel.Aliases = append(sel.Aliases, privacy.Alias{From: from, To: to})
	}
	people, machines := len(f.users) > 0, f.device != "" || f.deviceName != ""
	switch {
	case people && machines:
		return sel, errors.New("name a person or a device, not both")
	case machines:
		sel.Kind = gateway.Machine
		if f.deviceName != "" {
			sel.Names = []string{f.deviceName}
		}
	case !people && len(f.pseudonyms) == 0:
		return sel, errors.New("whom? hint: --user NAME --key-file FILE, --pseudonym P, --device ID or --device-name NAME")
	}
	return sel, nil
}

func subjectCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "subject", Short: "what is held about a person or a device: find, retrieve, anonymise, delete"}
	for _, add := range []func(*shared) *cobra.Command{subjectFind, subjectRetrieve, subjectAnonymise, subjectDelete, subjectRestrict} {
		c.AddCommand(add(s))
	}
	return c
}

// about runs do with the subjects that the flags select.
func (s *shared) about(c *cobra.Command, f *selectFlags, do func(*room, []gateway.Subject) error) error {
	sel, err := f.selector()
	if err != nil {
		return fail(exitUsage, err)
	}
	return s.with(c.Context(), func(r *room) error {
		subjects, err := r.duties().Find(c.Context(), sel)
		if err != nil {
			return err
		}
		return do(r, subjects)
	})
}

func subjectFind(s *shared) *cobra.Command {
	f := &selectFlags{}
	c := &cobra.Command{
		Use: "find", Short: "say whether anything is held", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.about(c, f, func(_ *room, subjects []gateway.Subject) error {
				if len(subjects) == 0 && f.homeless() {
					fmt.Fprintln(c.ErrOrStderr(), "hint: --host NAME for an account that is local to a device, --realm NAME for one of a domain; a name is looked for in no other place")
				}
				return s.printSubjects(c, subjects)
			})
		},
	}
	f.add(c)
	return c
}

// subjectRow is a subject as scripts read it.
type subjectRow struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"`
	Name       string    `json:"name"`
	Device     string    `json:"device,omitempty"`
	Events     int64     `json:"events"`
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	Restricted bool      `json:"restricted"`
}

func (s *shared) printSubjects(c *cobra.Command, subjects []gateway.Subject) error {
	list := []subjectRow{}
	rows := [][]string{{"SUBJECT", "KIND", "NAME", "EVENTS", "FIRST", "LAST"}}
	for _, sub := range subjects {
		kind := "person"
		if sub.Kind == gateway.Machine {
			kind = "device"
		}
		row := subjectRow{hex.EncodeToString(sub.ID[:]), kind, sub.Name, string(sub.Device), sub.Events, sub.First, sub.Last, sub.Restricted}
		list = append(list, row)
		rows = append(rows, []string{row.ID, kind, row.Name, fmt.Sprint(row.Events), day(row.First), day(row.Last)})
	}
	if s.json {
		return printJSON(c.OutOrStdout(), list)
	}
	if len(list) == 0 {
		fmt.Fprintln(c.OutOrStdout(), "nothing is held under these names")
		return nil
	}
	return printTable(c.OutOrStdout(), rows)
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func ids(subjects []gateway.Subject) []gateway.SubjectID {
	list := make([]gateway.SubjectID, len(subjects))
	for i, sub := range subjects {
		list[i] = sub.ID
	}
	return list
}

// errNobody says that a duty had nothing to do.
var errNobody = errors.New("nothing is held under these names; nothing done")

func subjectRetrieve(s *shared) *cobra.Command {
	f := &selectFlags{}
	var out string
	c := &cobra.Command{
		Use: "retrieve", Short: "write all that is held to gdpr-data.tar.gz", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.about(c, f, func(r *room, subjects []gateway.Subject) error {
				if len(subjects) == 0 {
					return errNobody
				}
				if err := s.confirm(c, fmt.Sprintf("Write all that is held about %d subjects to %s?", len(subjects), out)); err != nil {
					return err
				}
				return r.retrieve(c.Context(), subjects, out, f.officerKey)
			})
		},
	}
	f.add(c)
	c.Flags().StringVar(&out, "out", "gdpr-data.tar.gz", "the file to write")
	return s.confirmFlag(c)
}

// retrieve writes the file with mode 0600 and takes it away again where it
// could not be written whole.
func (r *room) retrieve(ctx context.Context, subjects []gateway.Subject, out, officerKey string) (err error) {
	file, err := os.OpenFile(out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w; hint: name another file with --out", out, err)
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			_ = os.Remove(out)
		}
	}()
	d := r.duties()
	d.OfficerKeyFile = officerKey
	if err := d.Retrieve(ctx, ids(subjects), file); err != nil {
		return err
	}
	return file.Sync()
}

// erase deletes or anonymises after a confirmation, and says what was done.
func (s *shared) erase(c *cobra.Command, r *room, verb string, subjects []gateway.Subject) error {
	if len(subjects) == 0 {
		return errNobody
	}
	var events int64
	for _, sub := range subjects {
		events += sub.Events
	}
	if err := s.confirm(c, fmt.Sprintf("%s %d subjects with %d events, for good?", verb, len(subjects), events)); err != nil {
		return err
	}
	do := r.duties().Delete
	if verb == "Anonymise" {
		do = r.duties().Anonymise
	}
	done, err := do(c.Context(), ids(subjects))
	if err != nil {
		return err
	}
	if s.json {
		return printJSON(c.OutOrStdout(), map[string]int64{"subjects": done.Subjects, "events": done.Events})
	}
	fmt.Fprintf(c.OutOrStdout(), "done: %d subjects, %d events\n", done.Subjects, done.Events)
	return nil
}

func subjectAnonymise(s *shared) *cobra.Command {
	f := &selectFlags{}
	c := &cobra.Command{
		Use: "anonymise", Short: "take the names off for good; the events stay", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.about(c, f, func(r *room, subjects []gateway.Subject) error { return s.erase(c, r, "Anonymise", subjects) })
		},
	}
	f.add(c)
	return s.confirmFlag(c)
}

func subjectDelete(s *shared) *cobra.Command {
	f := &selectFlags{}
	c := &cobra.Command{
		Use: "delete", Short: "remove the subject and every event that names it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.about(c, f, func(r *room, subjects []gateway.Subject) error { return s.erase(c, r, "Delete", subjects) })
		},
	}
	f.add(c)
	return s.confirmFlag(c)
}

func subjectRestrict(s *shared) *cobra.Command {
	f := &selectFlags{}
	var off bool
	c := &cobra.Command{
		Use: "restrict", Short: "keep the data but do not use it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.about(c, f, func(r *room, subjects []gateway.Subject) error {
				if len(subjects) == 0 {
					return errNobody
				}
				if err := s.confirm(c, fmt.Sprintf("Restrict the use of %d subjects' data?", len(subjects))); err != nil {
					return err
				}
				return r.duties().Restrict(c.Context(), ids(subjects), !off)
			})
		},
	}
	f.add(c)
	c.Flags().BoolVar(&off, "off", false, "take the restriction away")
	return s.confirmFlag(c)
}
