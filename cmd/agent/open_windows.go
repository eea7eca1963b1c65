package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sys/windows"
)

// openFlag adds what the entry in the Start menu needs: it has no shell that could
// keep the page and open it.
func openFlag(c *cobra.Command, open *bool) {
	c.Flags().BoolVar(open, "open", false, "show the page in the browser, from a file in your own temporary folder")
}

// openPage makes a page, or the reason why there is none, and shows it with the
// program that the person has for it.
func openPage(page func() (string, error)) error {
	name := "discreet-privacy.html"
	text, err := page()
	if err != nil {
		name, text = "discreet-privacy.txt", "discreet-agent: "+err.Error()+"\r\n"
	}
	file := filepath.Join(os.TempDir(), name) // below the person's profile
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fail(exitFailure, fmt.Errorf("write page: %w", err))
	}
	path, err := windows.UTF16PtrFromString(file)
	if err != nil {
		return fail(exitFailure, err)
	}
	if err := windows.ShellExecute(0, nil, path, nil, nil, windows.SW_SHOWNORMAL); err != nil {
		return fail(exitFailure, fmt.Errorf("show %s: %w; hint: open it by hand", file, err))
	}
	return nil
}
