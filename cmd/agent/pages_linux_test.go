package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEmployeePagesAreTrue runs every command on the pages for employees as one of
// them. What a page shows of the answer must be in the answer, in that order; … on
// the page stands for anything.
func TestEmployeePagesAreTrue(t *testing.T) {
	d := newDesk(t, `schema: 1
privacy:
  processes: each
  pause: {allowed: true, max: 30m}
  statement: {set_by: IT and works council, purpose: find and mend faults, contact: dpo@corp.example}
privacy_floor: {username: hashed}
`)
	for _, page := range []string{"employee.md", "employee.de.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(text), -1)
		if len(blocks) < 6 {
			t.Fatalf("%s has %d blocks of commands; want them", page, len(blocks))
		}
		for _, b := range blocks {
			out := ""
			for line := range strings.Lines(b[1]) {
				line = strings.TrimRight(line, "\n")
				if command, ok := strings.CutPrefix(line, "$ discreet-agent "); ok {
					out = d.want(0, maria, strings.Fields(command)...)
					continue
				}
				want := regexp.MustCompile("(?m)^" + strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*"))
				at := want.FindStringIndex(out)
				if at == nil {
					t.Errorf("%s: %q is not in what is left of the answer:\n%.2000s", page, line, out)
					break
				}
				out = out[at[1]:]
			}
		}
	}
}
