package cmd_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"testing"
)

const (
	maxFileLines = 400
	maxFuncLines = 60
)

// TestSizes refuses files and functions that are too long to read at once.
// Generated code and tests are not read like that.
func TestSizes(t *testing.T) {
	eachFile(t, func(file, _ string) {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(src[:min(len(src), 200)], []byte("DO NOT EDIT.")) {
			return
		}
		for _, bad := range tooLong(t, file, src) {
			t.Error(bad)
		}
	})
}

// TestSizesFinds proves that the check can fail.
func TestSizesFinds(t *testing.T) {
	long := "package p\nfunc f() {\n" + string(bytes.Repeat([]byte("_ = 1\n"), maxFileLines)) + "}\n"
	if got := tooLong(t, "long.go", []byte(long)); len(got) != 2 {
		t.Errorf("tooLong() = %q; want the file and the function", got)
	}
}

// tooLong names what of a file is longer than it may be.
func tooLong(t *testing.T, file string, src []byte) []string {
	t.Helper()
	var bad []string
	if n := bytes.Count(src, []byte("\n")); n > maxFileLines {
		bad = append(bad, file+": file is longer than it may be")
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if ok && fset.Position(fn.End()).Line-fset.Position(fn.Pos()).Line+1 > maxFuncLines {
			bad = append(bad, fset.Position(fn.Pos()).String()+": function "+fn.Name.Name+" is longer than it may be")
		}
	}
	return bad
}
