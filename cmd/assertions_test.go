package cmd_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAssertionsPage checks docs/privacy-assertions.md: a row for each of the 66
// assertions, each with a test that exists or a reason why there is none.
func TestAssertionsPage(t *testing.T) {
	page, err := os.ReadFile("../docs/privacy-assertions.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	row := regexp.MustCompile(`(?m)^\| (S\d\d) \| (.+) \| (.+) \|$`)
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	seen := map[string]bool{}
	proven := 0
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		id, proof := m[1], m[3]
		if seen[id] {
			t.Errorf("%s stands twice", id)
		}
		seen[id] = true
		names := named.FindAllStringSubmatch(proof, -1)
		for _, n := range names {
			if !tests[n[1]] {
				t.Errorf("%s names %s, which does not exist", id, n[1])
			}
		}
		if len(names) == 0 && !regexp.MustCompile(`^(not yet|not needed): .{10}`).MatchString(proof) {
			t.Errorf("%s has neither a test nor a reason", id)
		}
		if len(names) > 0 {
			proven++
		}
	}
	for n := 1; n <= 66; n++ {
		if id := fmt.Sprintf("S%02d", n); !seen[id] {
			t.Errorf("%s has no row", id)
		}
	}
	t.Logf("%d of %d assertions have a test", proven, len(seen))
}

// TestAttackSurfaceNamesTests checks that the tests that docs/attack-surface.md
// leans on exist.
func TestAttackSurfaceNamesTests(t *testing.T) {
	page, err := os.ReadFile("../docs/attack-surface.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	names := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)[`/]").FindAllStringSubmatch(string(page), -1)
	if len(names) < 10 {
		t.Fatalf("%d tests named; want the page", len(names))
	}
	for _, n := range names {
		if !tests[n[1]] {
			t.Errorf("%s does not exist", n[1])
		}
	}
}

// testNames returns the names of all tests and fuzz tests of the tree.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	decl := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		src, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range decl.FindAllSubmatch(src, -1) {
			names[string(m[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
