package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/configs"
)

// policyCommand holds two groups: keygen, sign and verify need neither settings nor
// store, for whoever signs does it on a machine of their own; push and status are
// the gateway's.
func policyCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "signed policies and floors: keygen, sign, verify, push, status"}
	c.AddCommand(policyKeygen(s), policySign(s), policyVerify(s), policyPush(s), policyStatus(s))
	return c
}

func policyKeygen(s *shared) *cobra.Command {
	var out, name string
	c := &cobra.Command{
		Use: "keygen", Short: "make a key pair of one signer, offline", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if name != filepath.Base(name) || name == "." || name == ".." {
				return fail(exitUsage, fmt.Errorf("--name %.40q is no name of a file", name))
			}
			secret, open, err := configs.SigningKey()
			if err != nil {
				return fail(exitFailure, err)
			}
			if err := os.MkdirAll(out, 0o700); err != nil {
				return fail(exitFailure, fmt.Errorf("make folder: %w", err))
			}
			private, public := filepath.Join(out, name+".key"), filepath.Join(out, name+".pub")
			if err := writeNew(private, secret, 0o600); err != nil {
				return fail(exitFailure, err)
			}
			if err := writeNew(public, open, 0o644); err != nil {
				return fail(exitFailure, err)
			}
			id, err := configs.SignerID(open)
			if err != nil {
				return fail(exitFailure, err)
			}
			if s.json {
				return printJSON(c.OutOrStdout(), map[string]string{"key_id": id, "private": private, "public": public})
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: stays with the signer, offline\n%s: to every device, under trust.push.key_files or trust.floor.key_files\nIts short name in histories: %s\n", private, public, id)
			return nil
		},
	}
	c.Flags().StringVar(&out, "out", "", "the folder for both halves")
	c.Flags().StringVar(&name, "name", "signer", "what the files are called")
	_ = c.MarkFlagRequired("out")
	return c
}

func policySign(s *shared) *cobra.Command {
	var key, kind, out string
	c := &cobra.Command{
		Use: "sign FILE", Short: "sign settings, or add a signature to what another signed", Args: cobra.ExactArgs(1),
		Long: `FILE is YAML with version, not_before, expires and settings (for a floor notice
too), or an envelope that this command wrote: then one more signature is added.
docs/floor.md shows both.`,
		RunE: func(c *cobra.Command, args []string) error {
			secret, err := readSigner(key)
			if err != nil {
				return fail(exitFailure, err)
			}
			data, err := readBounded(args[0])
			if err != nil {
				return fail(exitFailure, err)
			}
			signed, faults, err := configs.Sign(args[0], data, kind, secret)
			if err != nil {
				return fail(exitFailure, fmt.Errorf("sign: %w", err))
			}
			if len(faults) > 0 {
				for _, f := range faults {
					fmt.Fprintln(c.ErrOrStderr(), f)
				}
				return fail(exitConfig, fmt.Errorf("not signed: faults: %d", len(faults)))
			}
			if out == "" {
				_, err = c.OutOrStdout().Write(signed)
				return fail(exitFailure, err)
			}
			return fail(exitFailure, writeNew(out, signed, 0o644))
		},
	}
	c.Flags().StringVar(&key, "key", "", "the signer's private key")
	c.Flags().StringVar(&kind, "kind", "", "push or floor, for settings that nobody signed yet")
	c.Flags().StringVar(&out, "out", "", "a new file for the envelope (default: standard output)")
	_ = c.MarkFlagRequired("key")
	return c
}

func policyVerify(s *shared) *cobra.Command {
	var keys []string
	var since string
	c := &cobra.Command{
		Use: "verify FILE", Short: "say what a signed policy holds, who signed it, what it changes", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			data, err := readBounded(args[0])
			if err != nil {
				return fail(exitFailure, err)
			}
			var public [][]byte
			for _, file := range keys {
				text, err := os.ReadFile(file)
				if err != nil {
					return fail(exitFailure, fmt.Errorf("read key: %w", err))
				}
				public = append(public, text)
			}
			b, by, faults, err := configs.Verify(args[0], data, public)
			if err != nil {
				return fail(exitFailure, fmt.Errorf("verify: %w", err))
			}
			if err := printBundle(c.OutOrStdout(), s.json, b, signedBy(keys, by), faults); err != nil || since == "" || s.json {
				return err
			}
			return printSince(c.OutOrStdout(), b, since, public)
		},
	}
	c.Flags().StringArrayVar(&keys, "key", nil, "a signer's public key; can stand several times")
	c.Flags().StringVar(&since, "since", "", "an earlier file of the same kind, to say what changes (not with --json)")
	_ = c.MarkFlagRequired("key")
	return c
}

// signer says of one key whether it signed.
type signer struct {
	Key    string `json:"key"`
	Signed bool   `json:"signed"`
}

func signedBy(keys []string, by []bool) []signer {
	var list []signer
	for i, k := range keys {
		list = append(list, signer{k, by[i]})
	}
	return list
}

// printBundle ends in exit code 1 where a key that was named did not sign, and in 3
// where an agent would refuse the settings.
func printBundle(w io.Writer, asJSON bool, b configs.Bundle, by []signer, faults []configs.Fault) error {
	var failed error
	for _, s := range by {
		if !s.Signed {
			failed = fail(exitFailure, fmt.Errorf("not signed with %s", s.Key))
		}
	}
	if len(faults) > 0 {
		failed = fail(exitConfig, fmt.Errorf("faults: %d, the first %s", len(faults), faults[0]))
	}
	if asJSON {
		if err := printJSON(w, struct {
			configs.Bundle
			Notice  string   `json:"notice,omitempty"`
			Signers []signer `json:"signers"`
		}{b, noticeText(b), by}); err != nil {
			return err
		}
		return failed
	}
	fmt.Fprintf(w, "%s, version %d, from %s to %s\n", b.Kind, b.Version, b.NotBefore.UTC().Format(time.RFC3339), b.Expires.UTC().Format(time.RFC3339))
	if b.Notice > 0 {
		fmt.Fprintf(w, "loosens after a notice of %s\n", noticeText(b))
	}
	for _, line := range b.Settings {
		fmt.Fprintln(w, " ", line)
	}
	for _, s := range by {
		fmt.Fprintf(w, "%s %s\n", map[bool]string{true: "signed with", false: "NOT signed with"}[s.Signed], s.Key)
	}
	return failed
}

// printSince says in what b differs from an earlier file. Who signed that one does
// not matter here.
func printSince(w io.Writer, b configs.Bundle, file string, public [][]byte) error {
	data, err := readBounded(file)
	if err != nil {
		return fail(exitFailure, err)
	}
	old, _, _, err := configs.Verify(file, data, public)
	if err != nil {
		return fail(exitFailure, fmt.Errorf("verify %s: %w", file, err))
	}
	list, looser := b.Since(old)
	fmt.Fprintf(w, "since %s, version %d:\n", file, old.Version)
	for _, d := range list {
		fmt.Fprintf(w, "  %s: %s -> %s\n", d.Key, orNone(d.Before), orNone(d.After))
	}
	switch {
	case b.Kind != "floor":
	case looser:
		fmt.Fprintln(w, "it loosens: the old one holds beside it until the longer of both notices is over")
	default:
		fmt.Fprintln(w, "it loosens nothing: it holds at once")
	}
	return nil
}

func orNone(value string) string {
	if value == "" {
		return "(none)"
	}
	return value
}

// readSigner reads a private key that nobody but its owner may read.
func readSigner(file string) ([]byte, error) {
	st, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if exposed(st.Mode()) {
		return nil, fmt.Errorf("key %s: others than its owner may use it; hint: chmod 600 %s, and make a new one if somebody did", file, file)
	}
	return readBounded(file)
}

func noticeText(b configs.Bundle) string {
	if b.Notice == 0 {
		return ""
	}
	if days := b.Notice / (24 * time.Hour); b.Notice%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", days)
	}
	return b.Notice.String()
}

// readBounded reads a file that cannot be a bundle if it is large.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	return data, nil
}
