// Command gen writes the sample files from the table of keys, into the folder
// that is its argument; without one, into the current folder. "gen -darwin" prints
// agent.yaml with the places of macOS.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/discreet-agent/discreet/configs"
)

func main() {
	dir := "."
	if len(os.Args) > 1 && os.Args[1] == "-darwin" {
		_, _ = os.Stdout.Write(configs.AgentYAML(configs.DarwinPlaces())) // what is cut short is seen by who reads it
		return
	}
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if err := write(dir); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	samples, err := configs.Samples()
	if err != nil {
		return err
	}
	for name, data := range samples {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("make folder of %s: %w", file, err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return fmt.Errorf("write sample: %w", err)
		}
	}
	return nil
}
