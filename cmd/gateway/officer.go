package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/privacy"
)

func officerCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "officer", Short: "the data protection officer's key: init"}
	c.AddCommand(officerInit(s))
	return c
}

// officerInit makes the key pair. It needs neither settings nor store: run it
// on the officer's own machine.
func officerInit(s *shared) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "init", Short: "make the key pair for pseudonym mode sealed, offline", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			k, err := privacy.GenerateOfficerKey()
			if err != nil {
				return fail(exitFailure, err)
			}
			private, public, err := writeOfficer(k, out)
			if err != nil {
				return fail(exitFailure, err)
			}
			if s.json {
				return printJSON(c.OutOrStdout(), map[string]string{"key_id": k.Public().ID(), "private": private, "public": public})
			}
			fmt.Fprintf(c.OutOrStdout(), "key %s\n%s: stays with the officer, offline, with a copy: without it nobody finds a person by name\n%s: to every device, as privacy.pseudonym.officer_key_file\n", k.Public().ID(), private, public)
			return nil
		},
	}
	c.Flags().StringVar(&out, "out", "", "the folder for officer.key and officer.pub")
	_ = c.MarkFlagRequired("out")
	return c
}

// writeOfficer writes both halves and replaces no file.
func writeOfficer(k *privacy.OfficerKey, dir string) (private, public string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", fmt.Errorf("make folder: %w", err)
	}
	private, public = filepath.Join(dir, "officer.key"), filepath.Join(dir, "officer.pub")
	secret, err := k.PEM()
	if err != nil {
		return "", "", err
	}
	open, err := k.Public().PEM()
	if err != nil {
		return "", "", err
	}
	if err := writeNew(private, secret, 0o600); err != nil {
		return "", "", err
	}
	return private, public, writeNew(public, open, 0o644)
}

func writeNew(path string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w; hint: name another folder with --out", path, err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
