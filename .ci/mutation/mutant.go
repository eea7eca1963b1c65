package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mutant is one change to one file.
type mutant struct {
	file     string
	src      []byte // of the file, as it was read
	line     int
	from, to int // the bytes that are replaced
	with     string
	name     string // stays the same when lines move
}

func (m mutant) place() string { return fmt.Sprintf("%s:%d", m.file, m.line) }

// text returns the file with the change.
func (m mutant) text() []byte {
	return append(append(m.src[:m.from:m.from], m.with...), m.src[m.to:]...)
}

// findAll returns the mutants of the value rules, the pseudonyms and the
// tripwire, file by file, as far as this system builds them.
func findAll(dir string) ([]mutant, error) {
	var out []mutant
	for _, pattern := range []string{"pseudonym*.go", "rules*.go", "tripwire*.go"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if ours, err := build.Default.MatchFile(dir, filepath.Base(file)); err != nil || !ours || strings.HasSuffix(file, "_test.go") {
				continue
			}
			list, err := find(file)
			if err != nil {
				return nil, err
			}
			out = append(out, list...)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no mutants in %s; hint: run it from the top of the tree", dir)
	}
	return out, nil
}

// finder collects the mutants of one file.
type finder struct {
	file  string
	src   []byte
	set   *token.FileSet
	where string // the function or declaration at hand
	seen  map[string]int
	out   []mutant
}

func find(file string) ([]mutant, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	f := &finder{file: file, src: src, set: token.NewFileSet(), seen: make(map[string]int)}
	tree, err := parser.ParseFile(f.set, file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, decl := range tree.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.Name == "Format" || d.Name.Name == "LogValue" || d.Body == nil {
				continue
			}
			f.where = d.Name.Name
			ast.Inspect(d.Body, f.visit)
		case *ast.GenDecl:
			if d.Tok != token.IMPORT && d.Tok != token.TYPE {
				f.where = "top"
				ast.Inspect(d, f.visit)
			}
		}
	}
	return f.out, nil
}

// change adds a mutant that has with in the place of n.
func (f *finder) change(n ast.Node, with string) {
	f.replace(f.set.Position(n.Pos()).Offset, f.set.Position(n.End()).Offset, with)
}

func (f *finder) replace(from, to int, with string) {
	short := func(s string) string { return fmt.Sprintf("%.60s", strings.Join(strings.Fields(s), " ")) }
	name := fmt.Sprintf("%s %s: %s => %s", filepath.Base(f.file), f.where, short(string(f.src[from:to])), short(with))
	if f.seen[name]++; f.seen[name] > 1 {
		name += fmt.Sprintf(" (%d)", f.seen[name])
	}
	line := 1 + strings.Count(string(f.src[:from]), "\n")
	f.out = append(f.out, mutant{file: f.file, src: f.src, line: line, from: from, to: to, with: with, name: name})
}

func (f *finder) textOf(n ast.Node) string {
	return string(f.src[f.set.Position(n.Pos()).Offset:f.set.Position(n.End()).Offset])
}

// swaps says what stands in the place of an operator.
var swaps = map[token.Token]string{
	token.EQL: "!=", token.NEQ: "==", token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
	token.LAND: "||", token.LOR: "&&", token.ADD: "-", token.SUB: "+",
}

// visit adds the mutants of one node. It goes no deeper where there is nothing
// to learn: what an error says is no rule.
func (f *finder) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		return !speaks(n)
	case *ast.IfStmt:
		f.change(n.Cond, "!("+f.textOf(n.Cond)+")")
		if leaves(n.Body) {
			f.change(n.Body, "{}")
		}
	case *ast.BinaryExpr:
		if with, ok := swaps[n.Op]; ok {
			f.change(n, f.textOf(n.X)+" "+with+" "+f.textOf(n.Y))
		}
	case *ast.BasicLit:
		f.literal(n)
	case *ast.Ident:
		switch n.Name {
		case "true":
			f.change(n, "false")
		case "false":
			f.change(n, "true")
		}
	case *ast.BlockStmt:
		f.statements(n.List)
	case *ast.CaseClause:
		f.statements(n.Body)
		for i, value := range n.List {
			if len(n.List) > 1 { // one value of several
				rest := make([]string, 0, len(n.List))
				for j, other := range n.List {
					if i != j {
						rest = append(rest, f.textOf(other))
					}
				}
				from, to := f.set.Position(n.List[0].Pos()).Offset, f.set.Position(n.List[len(n.List)-1].End()).Offset
				f.replaceAs(from, to, strings.Join(rest, ", "), "without case "+f.textOf(value))
			}
		}
	}
	return true
}

// replaceAs is replace under a name that says what it does.
func (f *finder) replaceAs(from, to int, with, name string) {
	f.replace(from, to, with)
	m := &f.out[len(f.out)-1]
	m.name = fmt.Sprintf("%s %s: %s", filepath.Base(f.file), f.where, name)
	if f.seen[m.name]++; f.seen[m.name] > 1 {
		m.name += fmt.Sprintf(" (%d)", f.seen[m.name])
	}
}

// statements drops them one by one: calls, assignments, jumps.
func (f *finder) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.BranchStmt:
			f.change(s, "")
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE {
				f.change(s, "")
			}
		}
	}
}

// literal puts another constant in the place of one.
func (f *finder) literal(n *ast.BasicLit) {
	switch n.Kind {
	case token.INT:
		if _, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			f.change(n, "("+n.Value+" + 1)")
		}
	case token.CHAR:
		f.change(n, "("+n.Value+" + 1)")
	case token.STRING:
		if n.Value == `""` {
			f.change(n, `"mutant"`)
		} else {
			f.change(n, "("+n.Value+` + "mutant")`)
		}
	}
}

// leaves reports whether a block ends by going elsewhere.
func leaves(b *ast.BlockStmt) bool {
	if len(b.List) == 0 {
		return false
	}
	switch b.List[len(b.List)-1].(type) {
	case *ast.ReturnStmt, *ast.BranchStmt:
		return true
	}
	return false
}

// speaks reports whether a call makes the text of an error.
func speaks(c *ast.CallExpr) bool {
	s, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && (x.Name == "fmt" && s.Sel.Name == "Errorf" || x.Name == "errors" && s.Sel.Name == "New")
}
