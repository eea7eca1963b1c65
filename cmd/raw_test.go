package cmd_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const eventPackage = module + "/proto/event/v1"

// mayPrint are the packages that may turn an event into text: what they print
// has been filtered, or is for the eyes of the person who asks.
var mayPrint = map[string]bool{
	module + "/cmd/gateway":    true, // stored events, for the operator
	module + "/proto/event/v1": true, // generated
	module + "/gateway/duties": true, // gdpr-data
}

// listed is what "go list" says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	Standard                bool
}

// TestRawEventsAreNotPrinted type-checks the tree and refuses code that could
// print an event: String, a formatting or logging call, JSON, prototext.
func TestRawEventsAreNotPrinted(t *testing.T) {
	pkgs := goList(t, "./...")
	if len(pkgs) == 0 {
		t.Fatal("no packages")
	}
	exports := map[string]string{}
	for _, p := range pkgs {
		exports[p.ImportPath] = p.Export
	}
	checked := 0
	for _, p := range pkgs {
		if !strings.HasPrefix(p.ImportPath, module) || mayPrint[p.ImportPath] {
			continue
		}
		checked++
		for _, bad := range printsEvents(t, p, exports) {
			t.Error(bad)
		}
	}
	if checked < 15 {
		t.Fatalf("checked %d packages; want the whole tree", checked)
	}
}

// TestRawEventCheckFinds proves that the check can fail.
func TestRawEventCheckFinds(t *testing.T) {
	dir := t.TempDir()
	src := `package bad
import ("fmt"; "log/slog"; "encoding/json"; eventv1 "` + eventPackage + `")
func f(ev *eventv1.Event, log *slog.Logger) {
	_ = ev.String()
	fmt.Println(ev)
	log.Info("x", "ev", ev.GetDevice())
	_, _ = json.Marshal([]*eventv1.Event{ev})
	fmt.Println(ev.GetLogon().GetKind().String()) // an enum is no event
}`
	if err := os.WriteFile(filepath.Join(dir, "bad.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	for _, p := range append(goList(t, "./proto/event/v1"), goList(t, "encoding/json", "log/slog")...) {
		exports[p.ImportPath] = p.Export
	}
	got := printsEvents(t, listed{ImportPath: "bad", Dir: dir, GoFiles: []string{"bad.go"}}, exports)
	if len(got) != 4 {
		t.Errorf("printsEvents found %d places; want 4: %q", len(got), got)
	}
}

func goList(t *testing.T, patterns ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps", "-tags", "grpcnotrace", "-json=ImportPath,Dir,Export,GoFiles,Standard"}, patterns...)...)
	cmd.Dir = ".."
	var errText bytes.Buffer
	cmd.Stderr = &errText
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, errText.String())
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// printsEvents returns the places of p that could print an event.
func printsEvents(t *testing.T, p listed, exports map[string]string) []string {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	if _, err := conf.Check(p.ImportPath, fset, files, info); err != nil {
		t.Fatalf("type-check %s: %v", p.ImportPath, err)
	}
	var bad []string
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if what := printing(info, call); what != "" {
				bad = append(bad, fset.Position(call.Pos()).String()+": an event must not be printed: "+what)
			}
			return true
		})
	}
	return bad
}

// printing names the call where it turns an event into text.
func printing(info *types.Info, call *ast.CallExpr) string {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if s := info.Selections[sel]; s != nil && sel.Sel.Name == "String" && isEvent(s.Recv()) {
		return "String"
	}
	fn, ok := info.Uses[sel.Sel].(*types.Func)
	if !ok || fn.Pkg() == nil {
		return ""
	}
	switch fn.Pkg().Path() {
	case "fmt", "log", "log/slog", "encoding/json", "google.golang.org/protobuf/encoding/protojson", "google.golang.org/protobuf/encoding/prototext":
		for _, arg := range call.Args {
			if isEvent(info.Types[arg].Type) {
				return fn.FullName()
			}
		}
	}
	return ""
}

// isEvent reports whether t is a message of the schema, or a slice or map of
// them.
func isEvent(t types.Type) bool {
	switch u := t.(type) {
	case *types.Pointer:
		return isEvent(u.Elem())
	case *types.Slice:
		return isEvent(u.Elem())
	case *types.Map:
		return isEvent(u.Elem())
	case *types.Named:
		_, isStruct := u.Underlying().(*types.Struct)
		return isStruct && u.Obj().Pkg() != nil && u.Obj().Pkg().Path() == eventPackage
	}
	return false
}
