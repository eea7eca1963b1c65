package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent"
	"github.com/discreet-agent/discreet/agent/identity"
	"github.com/discreet-agent/discreet/agent/uplink"
	"github.com/discreet-agent/discreet/configs"
)

// check is one thing that the doctor looked at.
type check struct {
	Name  string `json:"name"`
	State string `json:"state"` // ok, warning, fault
	Text  string `json:"text,omitempty"`
	Hint  string `json:"hint,omitempty"`
	code  int
}

// probeTime bounds the look at the gateway.
const probeTime = 15 * time.Second

func doctorCommand(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "look for what keeps the agent from working, and say the way out", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			checks := s.examine(c.Context())
			if s.json {
				if err := printJSON(c.OutOrStdout(), checks); err != nil {
					return err
				}
			}
			code := exitOK
			for _, ch := range checks {
				if !s.json {
					mark := map[string]string{"ok": "ok     ", "warning": "warning", "fault": "FAULT  "}[ch.State]
					fmt.Fprintf(c.OutOrStdout(), "%s  %s: %s\n", mark, ch.Name, ch.Text)
					if ch.Hint != "" {
						fmt.Fprintf(c.OutOrStdout(), "         hint: %s\n", ch.Hint)
					}
				}
				if ch.State == "fault" && code == exitOK {
					code = ch.code
				}
			}
			if code != exitOK {
				return &exitError{code, nil}
			}
			return nil
		},
	}
}

// examine looks at the settings, the disk, the running agent, the identity and the
// gateway, in the order in which a fault of one hides the next.
func (s *shared) examine(ctx context.Context) []check {
	l := s.loaded()
	var checks []check
	for _, f := range l.Faults {
		checks = append(checks, check{"settings", "fault", f.String(), "", exitConfig}) // its text ends with the hint
	}
	if len(l.Faults) == 0 {
		checks = append(checks, check{Name: "settings", State: "ok", Text: "every file is valid"})
	}
	checks = append(checks, conflictChecks(l)...)
	for _, w := range l.Warnings {
		checks = append(checks, check{Name: "policy", State: "warning", Text: w.String()})
	}
	checks = append(checks, keyChecks(l)...)
	checks = append(checks, diskCheck(l.Settings)...)
	var st *agent.Status
	if ask := new(agent.Status); s.ask("status", ask) == nil {
		st = ask
	}
	checks = append(checks, runningChecks(st)...)
	id, more := identityChecks(l, st)
	checks = append(checks, more...)
	return append(checks, probe(ctx, l, id)...)
}

// probe connects to the gateway once, step by step. Without an identity it goes as
// far as one can without.
func probe(ctx context.Context, l *configs.Loaded, id *identity.Identity) []check {
	ctx, stop := context.WithTimeout(ctx, probeTime)
	defer stop()
	g := l.Settings.Gateway
	res := uplink.Probe(ctx, uplink.Options{
		Address: g.Address, ServerName: g.Name, Proxy: g.Proxy, ProxyCredentialsFile: g.ProxyCredentialsFile,
		AgentVersion: version, TLS: func() (*tls.Config, error) {
			if id == nil {
				return nil, identity.ErrNotEnrolled
			}
			return id.TLS(), nil
		},
	})
	var checks []check
	for _, step := range res.Steps {
		if step.Reason == uplink.ReasonIdentity {
			break // said before
		}
		c := check{Name: "gateway " + step.Name, State: "ok"}
		c.Text, c.Hint, _ = strings.Cut(step.Text, "; hint: ")
		if !step.OK {
			c.State, c.code = "fault", exitUnreachable
			if step.Name == "tls" || step.Name == "hello" {
				c.code = exitNotEnrolled
			}
		}
		checks = append(checks, c)
	}
	if res.OK() {
		checks = append(checks, clockCheck(res.Skew))
	}
	return checks
}
