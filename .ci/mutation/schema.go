package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// selector is the environment variable that says which mutant a test binary
// is: its number, from 1. Without it the binary is the tree as it stands.
const selector = "DISCREET_MUTANT"

// selectName is a file that the package does not have.
const selectName = "mutant_select.go"

// selectFile is laid over the package: it reads the selector, once.
const selectFile = `package privacy

import (
	"os"
	"strconv"
)

var mutantNumber = func() int { n, _ := strconv.Atoi(os.Getenv("` + selector + `")); return n }()
`

// schema holds every mutant of one package in one source, so that it is
// compiled once. A function that has mutants begins with a switch over the
// selector: each case is the whole body with one change. The value of a
// variable becomes a function that is called in its place, made the same way.
type schema struct {
	dir     string
	mutants []mutant
	out     map[int]bool // the mutants that do not compile
	apart   map[int]bool // those that need a build of their own: constants, labels
	files   map[string][]byte
	pieces  map[string][]piece
	kindOf  map[string]string
	set     *token.FileSet
	imports types.Importer
}

// piece is where a mutant's code stands in a file of the schema.
type piece struct{ from, to, mutant int }

// newSchema lays the mutants out and takes those away that do not compile.
func newSchema(dir string, mutants []mutant) (*schema, error) {
	s := &schema{dir: dir, mutants: mutants, out: make(map[int]bool), apart: make(map[int]bool)}
	for range 10 {
		if err := s.lay(); err != nil {
			return nil, err
		}
		bad, err := s.check()
		if err != nil {
			return nil, err
		}
		if len(bad) == 0 {
			return s, nil
		}
		for _, i := range bad {
			s.out[i] = true
		}
	}
	return nil, fmt.Errorf("the mutants of %s do not compile together", dir)
}

// lay writes the files of the schema anew, into memory.
func (s *schema) lay() error {
	s.files, s.pieces = make(map[string][]byte), make(map[string][]piece)
	kinds, err := s.kinds()
	if err != nil {
		return err
	}
	byFile := make(map[string][]int)
	for i, m := range s.mutants {
		byFile[m.file] = append(byFile[m.file], i)
	}
	for file, list := range byFile {
		src := s.mutants[list[0]].src
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, file, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		at := func(p token.Pos) int { return set.Position(p).Offset }
		w := &layer{schema: s, file: file, src: src, list: list, placed: make(map[int]bool)}
		for _, decl := range tree.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Body != nil {
					results := ""
					if d.Type.Results != nil {
						results = string(src[at(d.Type.Results.Pos()):at(d.Type.Results.End())])
					}
					w.body(at(d.Body.Lbrace)+1, at(d.Body.Rbrace), results)
				}
			case *ast.GenDecl:
				if d.Tok == token.VAR {
					w.variables(d, at, kinds)
				}
			}
		}
		w.text = append(w.text, src[w.done:]...)
		s.files[file] = w.text
		for _, i := range list {
			if !w.placed[i] {
				s.apart[i] = true
			}
		}
	}
	return nil
}

// layer writes one file.
type layer struct {
	*schema
	file   string
	src    []byte
	list   []int
	placed map[int]bool
	text   []byte
	done   int // the bytes of src that are written
}

// cases writes the cases of the mutants between from and to, each between
// before and after.
func (w *layer) cases(from, to int, before, after string) {
	for _, i := range w.list {
		m := w.mutants[i]
		if m.from < from || m.to > to {
			continue
		}
		w.placed[i] = true
		if w.out[i] {
			continue
		}
		w.text = fmt.Appendf(w.text, "case %d:\n", i+1)
		start := len(w.text)
		w.text = append(append(w.text, before...), w.src[from:m.from]...)
		w.text = append(append(w.text, m.with...), w.src[m.to:to]...)
		w.text = append(append(w.text, after...), '\n')
		w.pieces[w.file] = append(w.pieces[w.file], piece{start, len(w.text), i})
	}
}

// has reports whether a mutant stands between from and to.
func (w *layer) has(from, to int) bool {
	for _, i := range w.list {
		if m := w.mutants[i]; m.from >= from && m.to <= to {
			return true
		}
	}
	return false
}

// body writes a function's body. Each mutant is a function literal, so that
// its labels and its returns are its own.
func (w *layer) body(from, to int, results string) {
	if !w.has(from, to) {
		return
	}
	w.text = append(append(w.text, w.src[w.done:from]...), "\nswitch mutantNumber {\n"...)
	if results == "" {
		w.cases(from, to, "func() {", "}()\nreturn")
	} else {
		w.cases(from, to, "return func() "+results+" {", "}()")
	}
	w.text = append(w.text, "}\n"...)
	w.done = from
}

func (w *layer) variables(d *ast.GenDecl, at func(token.Pos) int, kinds map[string]string) {
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		for k, value := range v.Values {
			from, to := at(value.Pos()), at(value.End())
			if !w.has(from, to) || len(v.Names) != len(v.Values) {
				continue
			}
			kind := kinds[v.Names[k].Name]
			if kind == "" {
				continue
			}
			w.text = append(w.text, w.src[w.done:from]...)
			w.text = fmt.Appendf(w.text, "func() %s {\nswitch mutantNumber {\n", kind)
			w.cases(from, to, "return ", "")
			w.text = append(w.text, "}\nreturn "...)
			w.text = append(append(w.text, w.src[from:to]...), "\n}()"...)
			w.done = to
		}
	}
}

// kinds returns the type of each variable of the package, as its source may
// write it.
func (s *schema) kinds() (map[string]string, error) {
	if s.kindOf != nil {
		return s.kindOf, nil
	}
	pack, err := s.typeCheck(nil, nil)
	if err != nil {
		return nil, err
	}
	s.kindOf = make(map[string]string)
	for _, name := range pack.Scope().Names() {
		if v, ok := pack.Scope().Lookup(name).(*types.Var); ok {
			s.kindOf[name] = types.TypeString(v.Type(), func(q *types.Package) string {
				if q == pack {
					return ""
				}
				return q.Name()
			})
		}
	}
	return s.kindOf, nil
}

// check returns the mutants with errors in them.
func (s *schema) check() ([]int, error) {
	var bad []int
	var other error
	_, err := s.typeCheck(s.files, func(err error) {
		e, ok := err.(types.Error)
		if !ok {
			other = err
			return
		}
		at := e.Fset.PositionFor(e.Pos, false)
		list := s.pieces[at.Filename]
		k := sort.Search(len(list), func(k int) bool { return list[k].to > at.Offset })
		if k < len(list) && list[k].from <= at.Offset {
			bad = append(bad, list[k].mutant)
		} else if !e.Soft || !strings.HasPrefix(e.Msg, "\t") {
			other = fmt.Errorf("%s: %s", at, e.Msg)
		}
	})
	if len(bad) > 0 {
		return bad, nil
	}
	return nil, errors.Join(other, err)
}

// typeCheck checks the package with files in the place of its own.
func (s *schema) typeCheck(files map[string][]byte, report func(error)) (*types.Package, error) {
	pack, err := build.ImportDir(s.dir, 0)
	if err != nil {
		return nil, err
	}
	if s.set == nil {
		s.set = token.NewFileSet()
		s.imports = importer.ForCompiler(s.set, "source", nil)
	}
	trees := make([]*ast.File, 0, len(pack.GoFiles)+1)
	for _, name := range pack.GoFiles {
		file := filepath.Join(s.dir, name)
		var src any
		if text, ok := files[file]; ok {
			src = text
		}
		tree, err := parser.ParseFile(s.set, file, src, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		trees = append(trees, tree)
	}
	tree, err := parser.ParseFile(s.set, filepath.Join(s.dir, selectName), selectFile, 0)
	if err != nil {
		return nil, err
	}
	config := types.Config{Importer: s.imports, Error: report}
	checked, err := config.Check("privacy", s.set, append(trees, tree), nil)
	if report != nil {
		err = nil // it was told each
	}
	return checked, err
}

// compile builds the test binary that holds the mutants.
func (s *schema) compile(ctx context.Context, to string) error {
	work, err := os.MkdirTemp("", "schema")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	replace := make(map[string]string)
	lay := func(file string, text []byte) error {
		whole, err := filepath.Abs(file)
		if err != nil {
			return err
		}
		replace[whole] = filepath.Join(work, filepath.Base(file))
		return os.WriteFile(replace[whole], text, 0o600)
	}
	for file, text := range s.files {
		if err := lay(file, text); err != nil {
			return err
		}
	}
	if err := lay(filepath.Join(s.dir, selectName), []byte(selectFile)); err != nil {
		return err
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	overlay := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-o", to, "-overlay", overlay, "./"+s.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the mutants: %w\n%s", err, out)
	}
	return nil
}
