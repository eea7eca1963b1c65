package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

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
				_, err := c.OutOrStdout().Write(configs.Schema())
				return err
			},
		},
		&cobra.Command{
			Use: "example", Short: "print a sample agent.yaml with every key", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				_, err := c.OutOrStdout().Write(configs.AgentYAML(configs.SystemPlaces()))
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
		return fail(exitConfig, fmt.Errorf("faults: %d; the agent keeps the last good form of a file with a fault", n))
	}
	if !s.json {
		fmt.Fprintln(w, "ok")
	}
	return nil
}

// show prints the settings in force as one file, with the place that each value
// comes from beside it.
func (s *shared) show(w io.Writer) error {
	l := s.loaded()
	if s.json {
		all := []configs.Explanation{}
		for _, key := range l.Keys() {
			e, err := l.Explain(key)
			if err != nil {
				return fail(exitFailure, err)
			}
			all = append(all, e)
		}
		return printJSON(w, all)
	}
	if _, err := w.Write(l.YAML()); err != nil {
		return err
	}
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
	_, err = fmt.Fprintln(w, strings.TrimRight(e.String(), "\n"))
	return err
}
