package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
)

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
			if !f.stdin && !c.Flags().Changed("value") {
				return fail(exitUsage, errors.New("no value; hint: --value V, or --stdin for many"))
			}
			return orUsage(f.run(c.InOrStdin(), c.OutOrStdout(), s.json))
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

// orUsage makes a fault of usage of an error that has no code of its own.
func orUsage(err error) error {
	var coded *exitError
	if errors.As(err, &coded) {
		return err
	}
	return fail(exitUsage, err)
}

func (f *tryFlags) run(in io.Reader, out io.Writer, asJSON bool) error {
	trial, policy, err := f.prepare()
	if err != nil {
		return err
	}
	if f.stdin {
		return f.lines(trial, policy, in, out)
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
			return nil, nil, fmt.Errorf("read context %s: %s", f.context, contextFault(err))
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
		var all []error
		for _, fault := range l.Faults {
			all = append(all, errors.New(fault.String()))
		}
		return nil, nil, fail(exitConfig, errors.Join(all...))
	}
	trial.Company(l.Settings.Context())
	return trial, &l.Policy, nil
}

// contextFault says where a context file is wrong, without the value that stands
// there: it may be a name.
func contextFault(err error) string {
	var wrong *yaml.TypeError
	if !errors.As(err, &wrong) {
		return err.Error()
	}
	places := make([]string, 0, len(wrong.Errors))
	for _, e := range wrong.Errors {
		place, _, _ := strings.Cut(e, ":")
		places = append(places, place)
	}
	return strings.Join(places, ", ") + ": an unknown key or a wrong type; want host, identities, realm_aliases, corporate_domains, corporate_ssids, corporate_networks, pseudonym_key_hex, pseudonym_key_id"
}

func writeLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
