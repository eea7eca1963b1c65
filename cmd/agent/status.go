package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent"
)

// ask puts a question to the running agent.
func (s *shared) ask(command string, v any) error {
	return s.askWith(command, nil, v)
}

func statusCommand(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "say what the running agent is doing", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var st agent.Status
			if err := s.ask("status", &st); err != nil {
				return err
			}
			if s.json {
				return printJSON(c.OutOrStdout(), st)
			}
			printStatus(c.OutOrStdout(), st)
			return nil
		},
	}
}

func printStatus(w io.Writer, st agent.Status) {
	link := "not connected"
	if st.Gateway.Connected {
		link = "connected"
	}
	if st.Gateway.Reason != "" {
		link += " (" + st.Gateway.Reason + ")"
	}
	enrolled := "no"
	if st.Enrolled {
		enrolled = "yes, as " + st.Device
	} else if st.Gateway.Enrolment != "" {
		enrolled = "no: " + st.Gateway.Enrolment
	}
	last := "never"
	if st.Gateway.LastAck != nil {
		last = st.Gateway.LastAck.Local().Format(time.DateTime)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "version\t%s, up %s\n", st.Version, time.Duration(st.Uptime)*time.Second)
	fmt.Fprintf(t, "enrolled\t%s\n", enrolled)
	fmt.Fprintf(t, "gateway\t%s: %s; last acknowledged %s\n", st.Gateway.Address, link, last)
	fmt.Fprintf(t, "policy\t%s, %.16s, since %s\n", st.Policy.Preset, st.Policy.Digest, st.Policy.Since.Local().Format(time.DateTime))
	if st.Policy.OnlyHealth {
		fmt.Fprintf(t, "\tno valid settings: nothing but health leaves\n")
	}
	if st.Policy.KeyError != "" {
		fmt.Fprintf(t, "\t%s\n", st.Policy.KeyError)
	}
	for _, f := range st.Policy.Faults {
		fmt.Fprintf(t, "\tfault: %s\n", f)
	}
	for _, f := range st.Policy.Warnings {
		fmt.Fprintf(t, "\twarning: %s\n", f)
	}
	fmt.Fprintf(t, "spool\t%d events, %d bytes; lost %d\n", st.Spool.Events, st.Spool.Bytes, st.Spool.Lost)
	fmt.Fprintf(t, "sent\t%d events acknowledged, %d bytes\n", st.Gateway.EventsAcked, st.Gateway.BytesSent)
	fmt.Fprintf(t, "pauses\t%d today\n", st.Pauses)
	t.Flush()
	fmt.Fprintln(w)
	printCollectors(w, st.Collectors)
}

func printCollectors(w io.Writer, states []agent.CollectorState) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "COLLECTOR\tSTATE\tRUNG\tEVENTS\tLOST\tREASON")
	for _, c := range states {
		rung := c.Rung
		if rung == "" {
			rung = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\n", c.Name, c.State, rung, c.Events, c.Lost, c.Reason)
	}
	t.Flush()
}

func collectorsCommand(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "collectors", Short: "list the collectors, each with its state and the reason for it", Args: cobra.NoArgs,
		Long: `collectors lists what the agent can watch. With a running agent it says what each
collector is doing; without one, what it would do under the settings.`,
		RunE: func(c *cobra.Command, _ []string) error {
			var states []agent.CollectorState
			err := s.ask("collectors", &states)
			var e *exitError
			if errors.As(err, &e) && e.code == exitNotRunning {
				states, err = agent.Planned(s.loaded()), nil
			}
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(c.OutOrStdout(), states)
			}
			printCollectors(c.OutOrStdout(), states)
			return nil
		},
	}
}
