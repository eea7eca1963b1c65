package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/configs"
)

func configCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "check and explain the settings"}
	c.AddCommand(
		&cobra.Command{
			Use: "validate", Short: "name every fault of the settings, with its place", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return s.validate(c.OutOrStdout()) },
		},
		&cobra.Command{
			Use: "show", Short: "print the settings in force", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return s.show(c.OutOrStdout()) },
		},
		&cobra.Command{
			Use: "explain KEY", Short: "say what a key is, and which file and line decided it", Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error { return s.explain(c.OutOrStdout(), args[0]) },
		},
		&cobra.Command{
			Use: "schema", Short: "print the JSON Schema of agent.yaml", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				_, err := c.OutOrStdout().Write(configs.AgentSchema())
				return err
			},
		},
		&cobra.Command{
			Use: "example", Short: "print a sample agent.yaml with every key", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				_, err := c.OutOrStdout().Write(configs.AgentSample())
				return err
			},
		},
	)
	return c
}

func (s *shared) validate(w io.Writer) error {
	l := s.loaded()
	if s.json {
		if err := printJSON(w, map[string]any{"ok": len(l.Faults) == 0, "faults": l.Faults, "warnings": l.Warnings}); err != nil {
			return err
		}
	} else {
		for _, f := range l.Faults {
			fmt.Fprintln(w, f)
		}
		for _, f := range l.Warnings {
			fmt.Fprintln(w, "warning:", f)
		}
	}
	if n := len(l.Faults); n > 0 {
		return fail(exitConfig, fmt.Errorf("%d faults; the agent keeps the last good form of a file with a fault", n))
	}
	if !s.json {
		fmt.Fprintln(w, "ok")
	}
	return nil
}

func (s *shared) show(w io.Writer) error {
	l := s.loaded()
	values := l.Values()
	if s.json {
		return printJSON(w, values)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, v := range values {
		fmt.Fprintf(t, "%s\t%s\t%s\n", v.Key, v.Value, from(v.Layer, v.Source))
	}
	t.Flush()
	if len(l.Faults) > 0 {
		return fail(exitConfig, errors.New("some files have faults; hint: discreet-agent config validate"))
	}
	return nil
}

func from(layer, source string) string {
	if source == "" {
		return layer
	}
	return layer + " " + source
}

func (s *shared) explain(w io.Writer, key string) error {
	e, err := s.loaded().Explain(key)
	if err != nil {
		return fail(exitUsage, err)
	}
	if s.json {
		return printJSON(w, e)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "key\t%s\n", e.Key)
	fmt.Fprintf(t, "value\t%s\n", e.Value)
	fmt.Fprintf(t, "decided by\t%s\n", from(e.Layer, e.Source))
	if e.BoundBy != "" {
		fmt.Fprintf(t, "bound by\t%s\n", e.BoundBy)
	}
	fmt.Fprintf(t, "default\t%s\n", e.Default)
	fmt.Fprintf(t, "meaning\t%s\n", e.Doc)
	if len(e.Allowed) > 0 {
		fmt.Fprintf(t, "allowed\t%s\n", strings.Join(e.Allowed, ", "))
	}
	for _, o := range e.Outvoted {
		fmt.Fprintf(t, "outvoted\t%s by %s\n", o.Value, from(o.Layer, o.Source))
	}
	return t.Flush()
}
