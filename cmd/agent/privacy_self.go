package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent"
	"github.com/discreet-agent/discreet/agent/view"
)

func privacyExplain(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "explain KEY", Short: "say what one kind of data is, who decided its level, and what leaves of your own", Args: cobra.ExactArgs(1),
		Long: `explain asks the running agent, which knows the pseudonym key. With --config, or
without an agent, it reads the files, and what would be hashed is dropped where
you may not read the key. A value of your own is read once, for the answer alone,
and only where you may read it yourself; no collector is started for it.`,
		RunE: func(c *cobra.Command, args []string) error {
			e, err := s.explained(strings.TrimPrefix(args[0], "privacy."))
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(c.OutOrStdout(), e)
			}
			return printExplained(c.OutOrStdout(), e, s.language())
		},
	}
}

func (s *shared) explained(key string) (agent.Explained, error) {
	var e agent.Explained
	if s.config == "" {
		err := s.askWith("explain", map[string]string{"key": key}, &e)
		if err == nil || !errors.Is(err, view.ErrNotRunning) && !errors.Is(err, view.ErrPermission) {
			return e, err
		}
	}
	e, err := agent.Explain(s.loaded(), key)
	return e, fail(exitUsage, err)
}

// printExplained says in the person's language what one kind of data is. A setting
// that is none is explained as "config explain" does.
func printExplained(w io.Writer, e agent.Explained, l view.Lang) error {
	key := strings.TrimPrefix(e.Key, "privacy.")
	if !l.Knows(key) {
		_, err := fmt.Fprint(w, e.Explanation.String())
		return err
	}
	b := &strings.Builder{}
	row := func(id, text string) { fmt.Fprintf(b, "  %s: %s\n", l.Text(id), view.Clean(text)) }
	or := func(text, id string) string {
		if text == "" {
			return l.Text(id)
		}
		return text
	}
	fmt.Fprintln(b, e.Key)
	row("explain.class", l.Key(key))
	row("explain.level", e.Value)
	row("explain.leaves", l.Level(key, e.Value))
	row("explain.by", view.PageKey{Layer: e.Layer, Source: e.Source, BoundBy: e.BoundBy}.By(l))
	row("who.set_by", or(e.SetBy, "who.unsaid"))
	row("explain.why", or(e.Purpose, "who.unsaid"))
	row("explain.floor", or(e.Floor, "explain.nofloor"))
	changed := ""
	if e.Changed != nil {
		changed = e.Changed.Local().Format(time.DateTime)
	}
	row("explain.changed", or(changed, "explain.unknown"))
	row("explain.default", e.Default)
	row("explain.allowed", strings.Join(e.Allowed, ", "))
	for _, o := range e.Outvoted {
		row("explain.outvoted", o.Value+", "+view.PageKey{Layer: o.Layer, Source: o.Source}.By(l))
	}
	for _, r := range e.Refused {
		row("explain.refused", r)
	}
	if e.Note != "" {
		row("explain.note", l.Text("page.only_health"))
	}
	printOwn(b, e, l)
	_, err := io.WriteString(w, b.String())
	return err
}

// ownName says in the person's language what a value of her own is, where there is
// a word for it.
func ownName(name string, l view.Lang) string {
	if name == "program, for example" {
		return l.Text("own.example")
	}
	if key, ok := strings.CutSuffix(name, ", now"); ok {
		return l.Text("own.now", "key", key)
	}
	return name
}

// printOwn shows the person's own values, or says why there are none.
func printOwn(b *strings.Builder, e agent.Explained, l view.Lang) {
	if len(e.Own) == 0 {
		fmt.Fprintf(b, "  %s\n", l.Text("why."+e.Why))
		return
	}
	fmt.Fprintf(b, "  %s:\n", l.Text("explain.yours"))
	for _, o := range e.Own {
		after := o.After
		if o.Dropped {
			after = l.Text("explain.dropped")
		}
		fmt.Fprintf(b, "    %s: %q -> %s\n", ownName(o.Name, l), o.Before, view.Clean(after))
	}
	if e.NoKey != "" {
		fmt.Fprintf(b, "    %s\n", l.Text("explain.nokey"))
	}
	if key := strings.TrimPrefix(e.Key, "privacy."); key == "destinations" || key == "device_serial" || key == "local_addresses" {
		fmt.Fprintf(b, "    %s\n", l.Text("explain.once"))
	}
}

func privacyWhoami(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "say by which pseudonym your records are found, to ask for them", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var me view.Whoami
			if err := s.askWith("whoami", nil, &me); err != nil {
				return err
			}
			if s.json {
				return printJSON(c.OutOrStdout(), me)
			}
			printWhoami(c.OutOrStdout(), me, s.language())
			return nil
		},
	}
}

func printWhoami(w io.Writer, me view.Whoami, l view.Lang) {
	or := func(v, id string) string {
		if v == "" {
			return l.Text(id)
		}
		return v
	}
	row := func(id, text string) { fmt.Fprintf(w, "%s: %s\n", l.Text(id), view.Clean(text)) }
	missing := func(level string) string {
		if level != "drop" && me.KeyError != "" {
			return "whoami.nokey"
		}
		return "whoami.none"
	}
	row("whoami.account", fmt.Sprintf("%s (%s)", me.Account, numbered(me.ID)))
	row("whoami.name", or(me.InData, missing(me.Level)))
	row("whoami.pseudonym", or(strings.Join(me.Pseudo, ", "), "whoami.nokey"))
	if me.UPN.Known {
		row("whoami.upn", or(me.UPN.InData, missing(me.UPN.Level)))
		row("whoami.upnpseudonym", or(me.UPN.Pseudo, "whoami.nokey"))
	} else {
		row("whoami.upn", l.Text("whoami.noupn"))
	}
	row("whoami.sid", or(me.SID.InData, missing(me.SID.Level)))
	row("whoami.key", fmt.Sprintf("%s, %s: %s", or(me.KeyID, "whoami.nokey"), me.Mode, l.Text("pseudonym."+me.Mode)))
	row("whoami.device", or(me.Device, "whoami.unenrolled"))
	row("who.contact", or(me.Contact, "who.unsaid"))
	fmt.Fprintln(w, l.Text("rights.whoami"))
}

// numbered says how the system numbers an account, in the system's own words.
func numbered(id string) string {
	if strings.HasPrefix(id, "S-") {
		return id
	}
	return "uid " + id
}
