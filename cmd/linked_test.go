package cmd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	usualTags   = "grpcnotrace"
	noBehaviour = "grpcnotrace,nobehaviour"
)

// buildSystems are the systems whose agent is looked at.
func buildSystems() [][2]string {
	return [][2]string{{"linux", "amd64"}, {"windows", "amd64"}, {"darwin", "arm64"}}
}

// goTool runs go at the top of the tree for one system and returns its lines.
func goTool(t *testing.T, system [2]string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system[0], "GOARCH="+system[1])
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func isBehaviour(pkg string) bool {
	for _, name := range []string{"focus", "activity", "logon"} {
		if strings.Contains(pkg, "/collectors/"+name) {
			return true
		}
	}
	return false
}

// TestNoBehaviourIsLinked: the build with the tag holds no collector of what a
// person does; the usual one holds all three, so the test can fail.
func TestNoBehaviourIsLinked(t *testing.T) {
	for _, system := range buildSystems() {
		for tags, want := range map[string]int{usualTags: 3, noBehaviour: 0} {
			got := 0
			for _, pkg := range goTool(t, system, "list", "-deps", "-tags", tags, "./cmd/agent") {
				if isBehaviour(pkg) {
					got++
				}
			}
			if got != want {
				t.Errorf("%s with %s links %d behaviour collectors; want %d", system[0], tags, got, want)
			}
		}
	}
}

// linkedBy names the one package that may bring a package which serves neither
// events nor their way. A nil list means that nothing may.
var linkedBy = map[string][]string{
	"net/http/pprof":         nil,
	"expvar":                 nil,
	"golang.org/x/net/trace": nil,
	// Without it the library's binary log has nowhere to write to.
	"google.golang.org/grpc/binarylog": nil,
	"html/template":                    nil,
	// Neither makes a template on our way: cobra only where one is set, service
	// where it installs one.
	"text/template": {"github.com/spf13/cobra", "github.com/kardianos/service"},
	// service asks the system's service manager; gopsutil falls back to programs
	// of the system that our collectors do not ask for; ebpf runs a debugger in its
	// own tests alone.
	"os/exec": {"github.com/kardianos/service", "github.com/godbus/dbus/v5", "github.com/cilium/ebpf/internal/testutils/testmain", "github.com/shirou/gopsutil/v3/internal/common", "github.com/shirou/gopsutil/v3/net", "github.com/shirou/gopsutil/v3/process", "github.com/shirou/gopsutil/v3/cpu", "github.com/shirou/gopsutil/v3/mem"},
}

// TestS19S22S63DebugIsNotLinked reads who imports what in the agent of every
// system.
func TestS19S22S63DebugIsNotLinked(t *testing.T) {
	for _, system := range buildSystems() {
		for _, row := range goTool(t, system, "list", "-deps", "-tags", usualTags, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./cmd/agent") {
			words := strings.Fields(row)
			for pkg, may := range linkedBy {
				if slices.Contains(words[1:], pkg) && !slices.Contains(may, words[0]) {
					t.Errorf("%s: %s brings %s; want it only from %q", system[0], words[0], pkg, may)
				}
			}
		}
	}
}

// TestS03WordsNotInTheProgram builds both agents and looks for the names of
// interfaces that read titles, and of debug pages.
func TestS03WordsNotInTheProgram(t *testing.T) {
	host := [2]string{goTool(t, [2]string{}, "env", "GOHOSTOS")[0], goTool(t, [2]string{}, "env", "GOHOSTARCH")[0]}
	for tags, want := range map[string]bool{usualTags: true, noBehaviour: false} {
		file := filepath.Join(t.TempDir(), "agent")
		goTool(t, host, "build", "-tags", tags, "-o", file, "./cmd/agent")
		program, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"debug/requests", "debug/pprof", "debug/vars", "GetWindowText", "_NET_WM_NAME", "AXTitle"} {
			if bytes.Contains(program, []byte(word)) {
				t.Errorf("agent with %s holds %q; want it nowhere", tags, word)
			}
		}
		if !bytes.Contains(program, []byte("discreet-agent")) {
			t.Errorf("agent with %s does not even hold its name; the search is broken", tags)
		}
		symbols := slices.ContainsFunc(goTool(t, host, "tool", "nm", file), isBehaviour)
		if symbols != want {
			t.Errorf("agent with %s has symbols of behaviour collectors: %t; want %t", tags, symbols, want)
		}
	}
}
