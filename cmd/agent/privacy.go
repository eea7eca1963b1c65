package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/discreet-agent/discreet/agent"
	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
)

func privacyCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "privacy", Short: "what may leave this device, and what would become of a value"}
	c.AddCommand(privacyShow(s), privacyExplain(s), privacyTry(s), privacyPreview(s), privacyHistory(s))
	return c
}

func privacyShow(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "list each kind of data, how much of it may leave, and who decided that", Args: cobra.NoArgs,
		Long: `show lists the policy in force. With --config it reads that file and its
neighbours; else it asks the running agent.`,
		RunE: func(c *cobra.Command, _ []string) error {
			raw, err := s.policyJSON()
			if err != nil {
				return err
			}
			if s.json {
				_, err := fmt.Fprintln(c.OutOrStdout(), string(raw))
				return err
			}
			return printPolicy(c.OutOrStdout(), raw)
		},
	}
}

// policyJSON is the object that "privacy show --json" promises.
func (s *shared) policyJSON() (json.RawMessage, error) {
	if s.config != "" {
		return s.loaded().ShowJSON(), nil
	}
	var raw json.RawMessage
	err := s.ask("privacy_show", &raw)
	return raw, err
}

func printPolicy(w io.Writer, raw json.RawMessage) error {
	var p struct {
		Preset, Digest string
		SetBy          string `json:"set_by"`
		Keys           map[string]struct {
			Level, Layer, Source, Default string
			BoundBy                       string `json:"bound_by"`
		}
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return fail(exitFailure, fmt.Errorf("read the policy: %w", err))
	}
	fmt.Fprintf(w, "preset %s, digest %.16s", p.Preset, p.Digest)
	if p.SetBy != "" {
		fmt.Fprintf(w, ", set by %s", p.SetBy)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tLEVEL\tDECIDED BY\tWHAT IT IS")
	for k := range privacy.NumKeys {
		row := p.Keys[k.String()]
		by := from(row.Layer, row.Source)
		if row.BoundBy != "" {
			by += " (" + row.BoundBy + ")"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", k, row.Level, by, k.Info().Doc)
	}
	return t.Flush()
}

func privacyExplain(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "explain KEY", Short: "say what one kind of data is and who decided its level", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.explain(c.OutOrStdout(), "privacy."+strings.TrimPrefix(args[0], "privacy."))
		},
	}
}

// tryFlags are the flags of "privacy try".
type tryFlags struct {
	field, value, level, os, policy, context string
	stdin                                    bool
}

func privacyTry(s *shared) *cobra.Command {
	var f tryFlags
	c := &cobra.Command{
		Use: "try --field KEY --value V", Short: "run one value through the rules that filter events", Args: cobra.NoArgs,
		Long: `try shows what would leave of a value: by the level that you name, or by the
policy of an agent.yaml. It needs no running agent and no rights. Without
--context it knows no identities and no key, so what would be hashed is dropped.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return fail(exitUsage, f.run(c.InOrStdin(), c.OutOrStdout(), s.json))
		},
	}
	c.Flags().StringVar(&f.field, "field", "", "a key of the policy, such as program_path")
	c.Flags().StringVar(&f.value, "value", "", "the value to try")
	c.Flags().StringVar(&f.level, "level", "", "a level of that key (default: as the policy says)")
	c.Flags().StringVar(&f.os, "os", "", "linux, windows or darwin (default: this system)")
	c.Flags().StringVar(&f.policy, "policy", "", "an agent.yaml whose policy decides the level")
	c.Flags().StringVar(&f.context, "context", "", "a file with host, identities, lists and a pseudonym key")
	c.Flags().BoolVar(&f.stdin, "stdin", false, "read one JSON object a line, answer a line each")
	return c
}

func (f *tryFlags) run(in io.Reader, out io.Writer, asJSON bool) error {
	trial, policy, err := f.prepare()
	if err != nil {
		return err
	}
	if f.stdin {
		return tryLines(trial, policy, in, out)
	}
	a, err := trial.Try(privacy.Query{Field: f.field, Level: f.level, OS: f.os, Value: f.value, Policy: policy})
	if err != nil {
		return err
	}
	if asJSON {
		return writeLine(out, a)
	}
	if a.Dropped {
		fmt.Fprintf(out, "%s at %s: dropped\n", a.Field, a.Level)
		return nil
	}
	fmt.Fprintf(out, "%s at %s: %s\n", a.Field, a.Level, a.Out)
	return nil
}

// prepare reads the context and the policy that the flags name.
func (f *tryFlags) prepare() (*privacy.Trial, *privacy.Policy, error) {
	var ctx privacy.TryContext
	if f.context != "" {
		b, err := os.ReadFile(f.context)
		if err != nil {
			return nil, nil, fmt.Errorf("read context: %w", err)
		}
		dec := yaml.NewDecoder(strings.NewReader(string(b)))
		dec.KnownFields(true)
		if err := dec.Decode(&ctx); err != nil && !errors.Is(err, io.EOF) {
			return nil, nil, fmt.Errorf("read context %s: %w", f.context, err)
		}
	}
	trial, err := privacy.NewTrial(ctx)
	if err != nil {
		return nil, nil, err
	}
	if f.policy == "" {
		return trial, nil, nil
	}
	l := configs.LoadAgent(configs.AgentPaths{File: f.policy})
	if len(l.Faults) > 0 {
		return nil, nil, fail(exitConfig, fmt.Errorf("%s", l.Faults[0].String()))
	}
	return trial, &l.Policy, nil
}

// maxTryLine bounds one line of --stdin.
const maxTryLine = 1 << 20

// tryLines answers a JSON object a line, in order.
func tryLines(trial *privacy.Trial, policy *privacy.Policy, in io.Reader, out io.Writer) error {
	w := bufio.NewWriter(out)
	defer w.Flush()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxTryLine)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		q, err := tryQuery(lines.Bytes())
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		q.Policy = policy
		a, err := trial.Try(q)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if err := writeLine(w, a); err != nil {
			return err
		}
	}
	return lines.Err()
}

func tryQuery(line []byte) (privacy.Query, error) {
	var q struct {
		Field  string  `json:"field"`
		Level  string  `json:"level"`
		OS     string  `json:"os"`
		Value  string  `json:"value"`
		Base64 *string `json:"value_base64"`
	}
	dec := json.NewDecoder(strings.NewReader(string(line)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil {
		return privacy.Query{}, errors.New("want one JSON object with field, level, os, and value or value_base64")
	}
	if q.Base64 != nil {
		b, err := base64.StdEncoding.DecodeString(*q.Base64)
		if err != nil {
			return privacy.Query{}, errors.New("value_base64 is not base64")
		}
		q.Value = string(b)
	}
	return privacy.Query{Field: q.Field, Level: q.Level, OS: q.OS, Value: q.Value}, nil
}

func writeLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func privacyPreview(s *shared) *cobra.Command {
	var span time.Duration
	var before bool
	c := &cobra.Command{
		Use: "preview", Short: "show live events as they would leave; sends and stores nothing", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := context.WithTimeout(c.Context(), span)
			defer stop()
			show := printShown(c.OutOrStdout())
			if s.json {
				show = func(sh view.Shown) { _ = writeLine(c.OutOrStdout(), sh) }
			}
			err := agent.Preview(ctx, s.loaded(), version, before, show)
			if err != nil {
				fmt.Fprintf(c.ErrOrStderr(), "discreet-agent: %v: what would be hashed is dropped\n", err)
			}
			return nil
		},
	}
	c.Flags().DurationVar(&span, "for", 10*time.Second, "how long to look")
	c.Flags().BoolVar(&before, "before-after", false, "show the raw value beside what would leave of it")
	return c
}

// printShown writes one event as lines of "field before -> after".
func printShown(w io.Writer) func(view.Shown) {
	return func(s view.Shown) {
		state := ""
		if s.Dropped {
			state = "  (dropped whole)"
		}
		fmt.Fprintf(w, "%s%s\n", s.Kind, state)
		names := map[string]bool{}
		for n := range s.After {
			names[n] = true
		}
		for n := range s.Before {
			names[n] = true
		}
		sorted := make([]string, 0, len(names))
		for n := range names {
			sorted = append(sorted, n)
		}
		sort.Strings(sorted)
		for _, n := range sorted {
			after, ok := s.After[n]
			if !ok {
				after = "(dropped)"
			}
			if b, raw := s.Before[n]; raw {
				fmt.Fprintf(w, "  %-28s %q -> %s\n", n, b, after)
			} else {
				fmt.Fprintf(w, "  %-28s %s\n", n, after)
			}
		}
	}
}
