package cmd_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	assertionRow = regexp.MustCompile(`(?m)^\| (S\d\d) \| ([^|]+) \| ([^|]+) \|$`)
	testName     = regexp.MustCompile("`(Test\\w+)`")
)

// TestAssertions compares docs/privacy-assertions.md with the tests of the tree.
func TestAssertions(t *testing.T) {
	page, err := os.ReadFile("../docs/privacy-assertions.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range badAssertions(string(page), testNames(t)) {
		t.Error(bad)
	}
}

// badAssertions returns what is wrong with the page: a row that is missing or
// twice, a test that the tree does not have, a "not yet" without a reason.
func badAssertions(page string, have []string) []string {
	var bad []string
	seen := map[string]bool{}
	for _, row := range assertionRow.FindAllStringSubmatch(page, -1) {
		id, proof := row[1], row[3]
		if seen[id] {
			bad = append(bad, id+": stands twice")
		}
		seen[id] = true
		reason, later := strings.CutPrefix(strings.TrimSpace(proof), "not yet")
		names := testName.FindAllStringSubmatch(proof, -1)
		if later && len(strings.TrimPrefix(reason, ": ")) < 10 {
			bad = append(bad, id+": not yet, without a reason")
		}
		if !later && len(names) == 0 {
			bad = append(bad, id+": names no test")
		}
		for _, name := range names {
			if !exists(name[1], have) {
				bad = append(bad, fmt.Sprintf("%s: no test %s in the tree", id, name[1]))
			}
		}
	}
	for n := 1; n <= 66; n++ {
		if id := fmt.Sprintf("S%02d", n); !seen[id] {
			bad = append(bad, id+": no row")
		}
	}
	if len(seen) > 66 {
		bad = append(bad, fmt.Sprintf("%d rows; want 66", len(seen)))
	}
	return bad
}

// exists reports whether a test has that name. TestSNN alone may be the
// beginning of several.
func exists(name string, have []string) bool {
	for _, h := range have {
		if h == name || len(name) == len("TestS00") && strings.HasPrefix(name, "TestS") && strings.HasPrefix(h, name) {
			return true
		}
	}
	return false
}

func testNames(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				names = append(names, fn.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestAssertionsFinds proves that the check can fail.
func TestAssertionsFinds(t *testing.T) {
	var rows strings.Builder
	for n := 1; n <= 66; n++ {
		fmt.Fprintf(&rows, "| S%02d | a | `TestReal` |\n", n)
	}
	for _, tt := range []struct{ name, old, with, want string }{
		{"good", "", "", ""},
		{"missing", "| S07 | a | `TestReal` |\n", "", "S07: no row"},
		{"twice", "| S07 |", "| S08 |", "S08: stands twice"},
		{"no such test", "S07 | a | `TestReal`", "S07 | a | `TestGone`", "S07: no test TestGone"},
		{"no reason", "S07 | a | `TestReal`", "S07 | a | not yet", "S07: not yet, without"},
		{"no test", "S07 | a | `TestReal`", "S07 | a | by design", "S07: names no test"},
	} {
		got := strings.Join(badAssertions(strings.Replace(rows.String(), tt.old, tt.with, 1), []string{"TestReal"}), "; ")
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: badAssertions = %q; want %q", tt.name, got, tt.want)
		}
	}
}
