// Package cmd_test holds the tests that are about the whole tree.
package cmd_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/discreet-agent/discreet"

// mayImport says which of our own packages each part may use. "x/*" stands for
// everything below x. A part that is not listed may use none.
var mayImport = map[string][]string{
	"proto":       {"proto/*"},
	"proto/gen":   {"proto/*"},
	"privacy":     {"proto/*"},
	"configs":     {"privacy", "proto/event/v1", "configs/plist"},
	"configs/gen": {"configs", "privacy"},
	// plist is a leaf, collectors may use it too.
	"configs/plist": {},
	"docs/gen":      {"configs", "privacy", "proto/*", "agent/view"},
	"collectors":    {"proto/*"},
	// kernel, netlink and procfs are sources that several collectors of Linux read, nt
	// and etw those of Windows, libproc that of macOS.
	"collectors/*":              {"proto/*", "collectors", "collectors/kernel", "collectors/bus", "collectors/libproc", "collectors/netlink", "collectors/procfs", "collectors/nt", "collectors/etw", "configs/plist"},
	"collectors/bus/bustest":    {},
	"agent/durable":             {},
	"agent/spool":               {"privacy", "proto/*", "agent/durable"},
	"agent/uplink":              {"privacy", "proto/*", "agent/spool"},
	"agent/identity":            {"proto/*", "agent/durable"},
	"agent/session":             {"collectors", "collectors/bus"},
	"agent/view":                {"proto/*"},
	"agent":                     {"proto/*", "privacy", "configs", "collectors", "collectors/*", "agent/*"},
	"gateway":                   {"proto/*"},
	"gateway/access":            {"proto/*", "gateway", "agent/durable"},
	"gateway/access/accesstest": {"proto/*", "gateway", "gateway/access"},
	"gateway/audit":             {"agent/durable"},
	"gateway/ingest":            {"proto/*", "privacy", "gateway"},
	"gateway/duties":            {"proto/*", "privacy", "gateway", "gateway/audit"},
	"gateway/store/*":           {"proto/*", "gateway"},
	"cmd/agent":                 {"agent", "agent/*", "configs", "privacy"},
	"cmd/gateway":               {"gateway", "gateway/*", "configs", "privacy", "proto/*", "agent/durable"},
	"cmd/lab":                   {},
	"cmd/capture":               {"cmd/lab", "collectors", "collectors/*", "privacy", "proto/*"},
	"cmd/demo":                  {"cmd/lab"},
	"cmd/e2e":                   {"cmd/lab"},
	"packaging/bom":             {},
	"packaging/flat":            {},
	"packaging/msi":             {"configs"},
	"packaging/winres":          {},
	"packaging/fleet":           {"configs", "agent/view"},
	"packaging/fleet/gen":       {"packaging/fleet"},
}

// onlyIn keeps each outside library in the parts that need it. An empty list
// means nowhere outside of tests.
var onlyIn = map[string][]string{
	"github.com/spf13/viper":                        {"configs"},
	"go.yaml.in/yaml":                               {"configs", "cmd/agent"},
	"github.com/fsnotify/fsnotify":                  {"configs"},
	"github.com/go-viper/mapstructure":              {"configs"},
	"github.com/spf13/cobra":                        {"cmd/agent", "cmd/gateway"},
	"github.com/kardianos/service":                  {"cmd/agent"},
	"github.com/shirou/gopsutil":                    {"collectors", "cmd/capture"},
	"github.com/google/gopacket":                    {}, // the reference in the tests of collectors/domain: docs/decisions/0008
	"github.com/quic-go/quic-go":                    {"cmd/capture"},
	"github.com/godbus/dbus":                        {"agent/session", "collectors/bus", "collectors/logon", "collectors/wifi"},
	"github.com/cilium/ebpf":                        {"collectors"},
	"github.com/ebitengine/purego":                  {"agent/session", "collectors/device", "collectors/libproc", "collectors/wifi"},
	"github.com/klauspost/compress":                 {"agent/uplink", "gateway/ingest"},
	"google.golang.org/grpc":                        {"proto", "agent/uplink", "agent/identity", "gateway", "cmd/gateway"},
	"google.golang.org/protobuf/encoding":           {"cmd/gateway", "privacy", "proto/gen", "gateway", "agent/uplink"},
	"modernc.org/sqlite":                            {"gateway/store/sqlite"},
	"github.com/bufbuild/protocompile":              {"proto/gen/protos", "docs/gen"},
	"os/exec":                                       {"proto/gen/protos", "cmd/lab", "cmd/demo", "cmd/capture", "collectors/bus/bustest"},
	"net/http":                                      {"cmd/capture"},
	"net/http/pprof":                                {},
	"expvar":                                        {},
	"html/template":                                 {},
	"golang.org/x/net/trace":                        {},
	"log":                                           {},
	"github.com/rogpeppe/go-internal":               {},
	"google.golang.org/grpc/encoding/gzip":          {},
	"google.golang.org/grpc/binarylog":              {},
	"google.golang.org/protobuf/encoding/prototext": {},
}

// TestImports reads every Go file, whatever system it is for, so one run on any
// machine checks all of them.
func TestImports(t *testing.T) {
	files := 0
	eachFile(t, func(file, from string) {
		files++
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			imp, _ := strconv.Unquote(spec.Path.Value)
			if to, ours := strings.CutPrefix(imp, module+"/"); ours {
				if !allowed(from, to) {
					t.Errorf("%s: %s must not import %s", file, from, to)
				}
				continue
			}
			for lib, homes := range onlyIn {
				exact := lib == "net/http" || lib == "log"
				if (imp == lib || !exact && under(imp, lib)) && !underAny(from, homes) {
					t.Errorf("%s: %s must not import %s", file, from, imp)
				}
			}
		}
	})
	if files < 50 {
		t.Fatalf("read %d files; want the whole tree", files)
	}
}

// TestRules proves that the check can fail.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"collectors/process", "collectors", true},
		{"collectors/process", "privacy", false},
		{"collectors/process", "collectors/wifi", false},
		{"agent", "gateway", false},
		{"gateway/ingest", "agent/spool", false},
		{"gateway/access", "agent/durable", true},
		{"agent/spool", "privacy", true},
		{"privacy", "agent/spool", false},
		{"nowhere", "privacy", false},
	} {
		if got := allowed(c.from, c.to); got != c.want {
			t.Errorf("allowed(%q, %q) = %v; want %v", c.from, c.to, got, c.want)
		}
	}
}

// TestRooms refuses folders that have no place in the design.
func TestRooms(t *testing.T) {
	eachFile(t, func(file, from string) {
		for part := range strings.SplitSeq(from, "/") {
			switch part {
			case "internal", "pkg", "util", "utils", "common", "helpers", "misc":
				t.Errorf("%s: no package is called %s: name it after what it is", file, part)
			}
		}
	})
}

// eachFile calls do for every Go file that is not a test, with the path of its
// package from the top of the tree.
func eachFile(t *testing.T, do func(file, from string)) {
	t.Helper()
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "bin" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			return fs.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") {
			do(file, path.Dir(strings.TrimPrefix(filepath.ToSlash(file), "../")))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func allowed(from, to string) bool {
	for _, pat := range mayImport[part(from)] {
		dir, wild := strings.CutSuffix(pat, "/*")
		if to == pat || wild && strings.HasPrefix(to, dir+"/") {
			return true
		}
	}
	return false
}

// part names the row of mayImport for a package: its own, or that of the nearest
// folder above it.
func part(pkg string) string {
	if _, ok := mayImport[pkg]; ok {
		return pkg
	}
	for dir := path.Dir(pkg); dir != "."; dir = path.Dir(dir) {
		if _, ok := mayImport[dir+"/*"]; ok {
			return dir + "/*"
		}
		if _, ok := mayImport[dir]; ok {
			return dir
		}
	}
	return pkg
}

func under(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

func underAny(pkg string, dirs []string) bool {
	for _, d := range dirs {
		if under(pkg, d) {
			return true
		}
	}
	return false
}
