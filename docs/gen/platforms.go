package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const platformsHead = `# What runs where, and how we know

This page is made from the collectors' own declarations and from the reasons that
tests give for a skip.

How sure we are of a source is said in one of these forms:

- **run on Linux**: its tests use the real source, in every run of the tests.
- **run under Wine 8.0**: the program as it is shipped for Windows ran under Wine, in
  every run of the tests. Wine is not Windows: nobody has run it there for this table.
- **compiled**: built and looked at by vet for that system, never run there. What it
  decodes is tested on every system from recorded or written input.

## Collectors

| collector | system | rungs, best first | source | state of proof |
|---|---|---|---|---|
`

const skipsHead = `
## What is left out under Wine

` + "`make test-windows`" + ` runs the tests of the packages below, built for Windows, under Wine:

%s

They run beside the whole agent: installed as a service, enrolled at a gateway on Linux,
started, reloaded, booted, stopped and uninstalled, asked over its pipe, searched for
names of a person (` + "`TestWineServiceLife`, `TestWineCanary`, `TestWineBatches`" + `).

What Wine shows only in part: access lists of files, of which it keeps what mode bits
can say, owner against everybody. Nothing is installed on a real Windows here, so what
its service manager, its security and its sessions add is not shown.

A test that is skipped there for a reason that does not stand here fails the run.

| where | reason |
|---|---|
`

// winePackages lists the packages whose tests run under Wine, one a line.
const winePackages = ".ci/wine/packages"

// systems are the columns of the table, with the proof that holds where a source
// declares none.
var systems = []struct{ goos, name, proof string }{
	{"linux", "Linux", "run on Linux"}, {"windows", "Windows", "compiled"}, {"darwin", "macOS", "compiled"},
}

// platformsPage writes docs/platforms.md.
func platformsPage() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(platformsHead)
	entries, err := os.ReadDir("collectors")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		for _, s := range systems {
			d, err := declared(filepath.Join("collectors", e.Name()), s.goos)
			if err != nil {
				return nil, err
			}
			if d == nil {
				continue
			}
			rungs := cmp.Or(strings.Join(d.rungs, ", "), "none")
			proof := cmp.Or(d.proof, s.proof)
			if len(d.rungs) == 0 {
				proof = ""
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", e.Name(), s.name, rungs, cell(d.source), cell(proof))
		}
	}
	list, err := os.ReadFile(winePackages)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, skipsHead, "`"+strings.Join(strings.Fields(string(list)), "`, `")+"`")
	skips, err := skipReasons(".")
	if err != nil {
		return nil, err
	}
	for _, s := range skips {
		fmt.Fprintf(&b, "| %s | %s |\n", s.dir, cell(s.reason))
	}
	return b.Bytes(), nil
}

// declaration is what a collector says of one system: in the comment on its rungs
// the source, and after "Proof:" how sure we are of it.
type declaration struct {
	rungs         []string
	source, proof string
}

// declared reads the declaration of a collector for one system; nil where the
// folder is no collector.
func declared(dir, goos string) (*declaration, error) {
	for _, file := range []string{"source_" + goos + ".go", "source_other.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, file), nil, parser.ParseComments)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, decl := range f.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				if v := spec.(*ast.ValueSpec); v.Names[0].Name == "rungs" {
					return read(v, g.Doc.Text()), nil
				}
			}
		}
	}
	return nil, nil
}

func read(v *ast.ValueSpec, doc string) *declaration {
	d := &declaration{}
	d.source, d.proof, _ = strings.Cut(oneLine(doc), "Proof:")
	d.source = strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(d.source, "rungs:")), ".")
	d.proof = strings.TrimSuffix(strings.TrimSpace(d.proof), ".")
	ast.Inspect(v, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if name, ok := strings.CutPrefix(s.Sel.Name, "Rung_RUNG_"); ok {
				d.rungs = append(d.rungs, strings.ToLower(name))
			}
		}
		return true
	})
	return d
}

// skip is one reason that a test gives.
type skip struct{ dir, reason string }

// skipReasons finds the calls of Skip and Skipf whose text begins with Windows or
// Wine, in every test of the tree.
func skipReasons(root string) ([]skip, error) {
	var all []skip
	err := filepath.WalkDir(root, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && file != root && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata") {
			return fs.SkipDir
		}
		if e.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if reason := skipReason(n); reason != "" {
				all = append(all, skip{filepath.ToSlash(filepath.Dir(file)), reason})
			}
			return true
		})
		return nil
	})
	slices.SortFunc(all, func(a, b skip) int { return cmp.Or(cmp.Compare(a.dir, b.dir), cmp.Compare(a.reason, b.reason)) })
	return slices.Compact(all), err
}

// skipReason returns the text of a call of Skip or Skipf that is about Windows.
func skipReason(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return ""
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	text, is := call.Args[0].(*ast.BasicLit)
	if !ok || !is || f.Sel.Name != "Skip" && f.Sel.Name != "Skipf" {
		return ""
	}
	reason, err := strconv.Unquote(text.Value)
	if err != nil || !strings.HasPrefix(reason, "Windows") && !strings.HasPrefix(reason, "Wine") {
		return ""
	}
	reason, _, _ = strings.Cut(reason, "%") // what follows differs from run to run
	return strings.TrimRight(reason, " :(")
}
