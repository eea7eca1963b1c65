package main

import (
	"fmt"
	"os"
	"strings"
)

// readEquivalent reads the names of mutants that change nothing. Each line has
// a name, a tab, and the reason. A name that is no mutant's, since the code was
// changed, is an error.
func readEquivalent(file string, mutants []mutant) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	exists := make(map[string]bool, len(mutants))
	for _, m := range mutants {
		exists[m.name] = true
	}
	known := make(map[string]string)
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, _ := strings.Cut(line, "\t")
		switch {
		case strings.TrimSpace(reason) == "":
			return nil, fmt.Errorf("%s:%d: no reason", file, i+1)
		case !exists[name]:
			return nil, fmt.Errorf("%s:%d: no such mutant: %s\nhint: the code has changed; prove the new one, or take the line out", file, i+1, name)
		case known[name] != "":
			return nil, fmt.Errorf("%s:%d: stands there twice: %s", file, i+1, name)
		}
		known[name] = reason
	}
	return known, nil
}
