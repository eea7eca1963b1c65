package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestS46NoSecretOnTheCommandLine: every flag of every command is named here if
// its name sounds like a secret, and then takes a file.
func TestS46NoSecretOnTheCommandLine(t *testing.T) {
	files := []string{"token-file", "key-file", "officer-key"}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		check := func(f *pflag.Flag) {
			for _, word := range []string{"token", "key", "secret", "password", "credential"} {
				if strings.Contains(f.Name, word) && !slices.Contains(files, f.Name) {
					t.Errorf("%s --%s: secrets come from a file or standard input", c.CommandPath(), f.Name)
				}
			}
		}
		c.LocalFlags().VisitAll(check)
		c.PersistentFlags().VisitAll(check)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(rootCommand())
}
