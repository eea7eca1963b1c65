package cmd_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// fixedElsewhere are the places where a log's text is a parameter; their callers
// were read: each hands in a constant.
var fixedElsewhere = map[string]bool{"agent/identity/ensure.go": true}

// TestS23LogTextsAreConstants: the text of every line of the agent's log is a
// literal, so that a support bundle can take it over whole.
func TestS23LogTextsAreConstants(t *testing.T) {
	calls := 0
	eachFile(t, func(file, from string) {
		if !strings.HasPrefix(from, "agent") && !strings.HasPrefix(from, "collectors") && from != "configs" && from != "cmd/agent" {
			return
		}
		n, bad := logTexts(t, file, nil)
		calls += n
		for _, at := range bad {
			if !fixedElsewhere[strings.TrimPrefix(filepath.ToSlash(file), "../")] {
				t.Errorf("%s: the text of a log line is no literal", at)
			}
		}
	})
	if calls < 20 {
		t.Errorf("%d log lines were found; want all of the agent", calls)
	}
	_, bad := logTexts(t, "x.go", `package x; func f(log *slog.Logger, s string) { log.Info(s); l.log.Warn("a"+s); log.Error("fixed") }`)
	if len(bad) != 2 {
		t.Errorf("%d lines of the control are refused; want 2", len(bad))
	}
}

// logTexts returns how many log calls a file has, and where one's text is no
// literal. src may be nil.
func logTexts(t *testing.T, file string, src any) (calls int, bad []string) {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, src, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		fn, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !isLog(fn.X) {
			return true
		}
		switch fn.Sel.Name {
		case "Debug", "Info", "Warn", "Error":
			calls++
			if _, ok := call.Args[0].(*ast.BasicLit); !ok {
				bad = append(bad, set.Position(call.Pos()).String())
			}
		case "Log", "LogAttrs", "DebugContext", "InfoContext", "WarnContext", "ErrorContext":
			bad = append(bad, set.Position(call.Pos()).String()+" (not read by this test)")
		}
		return true
	})
	return calls, bad
}

// isLog reports whether an expression is called log, Log or something that ends so.
func isLog(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return strings.EqualFold(x.Name, "log")
	case *ast.SelectorExpr:
		return strings.EqualFold(x.Sel.Name, "log")
	}
	return false
}
