// Package packaging_test holds the quick tests of the packages. Their life on a
// machine is tested by "make test-packages".
package packaging_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tool skips where a program is not here, and fails where all must be (CI=true).
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing; hint: make deps", name)
		}
		t.Skipf("%s is not here; hint: make deps", name)
	}
	return path
}

func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// TestSameBytesTwice builds the agent's deb twice, and reads it with dpkg's own
// reader: what is in it, with which rights, and what the list of its parts says.
func TestSameBytesTwice(t *testing.T) {
	tool(t, "dpkg-deb")
	var sums [2]string
	dirs := [2]string{t.TempDir(), t.TempDir()}
	env := []string{"VERSION=1.2.3", "ONLY_AGENT=1", "SYSTEMS=amd64", "SOURCE_DATE_EPOCH=1790000000"}
	for i, dir := range dirs {
		run(t, env, "./build", "--out", dir, "deb")
		b, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = string(b)
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") != 2 {
		t.Errorf("two builds differ, or are not two files each:\n%s%s", sums[0], sums[1])
	}
	deb := filepath.Join(dirs[0], "discreet-agent_1.2.3_amd64.deb")
	list := run(t, nil, "dpkg-deb", "-c", deb)
	for _, want := range []struct{ mode, path string }{
		{"-rwxr-xr-x root/root", "./usr/bin/discreet-agent"},
		{"-rw-r--r-- root/root", "./usr/lib/systemd/system/discreet-agent.service"},
		{"-rw-r--r-- root/root", "./etc/discreet/agent.yaml"},
		{"drwxr-xr-x root/root", "./etc/discreet/conf.d/"},
		{"drwxr-xr-x root/root", "./etc/discreet/policy.d/"},
	} {
		found := false
		for line := range strings.Lines(list) {
			found = found || strings.HasPrefix(line, want.mode) && strings.HasSuffix(line, " "+want.path+"\n")
		}
		if !found {
			t.Errorf("the deb has no %s %s:\n%s", want.mode, want.path, list)
		}
	}
	if got := run(t, nil, "dpkg-deb", "-I", deb, "conffiles"); !strings.Contains(got, "/etc/discreet/agent.yaml\n") {
		t.Errorf("conffiles = %q; want agent.yaml among them", got)
	}
	partsOf(t, filepath.Join(dirs[0], "discreet-agent-1.2.3-linux-amd64.cdx.json"), "github.com/cilium/ebpf")
}

// partsOf reads the CycloneDX list: it names what is linked, each with a version.
func partsOf(t *testing.T, file string, more ...string) {
	t.Helper()
	var l struct {
		Format string `json:"bomFormat"`
		Parts  []struct{ Name, Version, PURL string }
	}
	var raw struct {
		Components json.RawMessage `json:"components"`
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{&l, &raw} {
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(raw.Components, &l.Parts); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, p := range l.Parts {
		names[p.Name] = p.Version != "" && strings.HasPrefix(p.PURL, "pkg:golang/"+p.Name+"@")
	}
	for _, want := range append(more, "std", "google.golang.org/grpc", "github.com/spf13/viper") {
		if !names[want] {
			t.Errorf("%s lists no %s with version and purl", file, want)
		}
	}
	if l.Format != "CycloneDX" || names["github.com/goreleaser/nfpm/v2"] {
		t.Errorf("%s: format %q; want CycloneDX, and nothing that is not linked", file, l.Format)
	}
}

// TestExposure holds the units to what they may cost, in tenths, by
// systemd-analyze's count.
func TestExposure(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	for unit, most := range map[string]string{"discreet-agent": "26", "discreet-gateway": "20"} {
		run(t, nil, analyze, "security", "--offline=true", "--threshold="+most, "linux/"+unit+".service")
		cmd := exec.Command(analyze, "security", "--offline=true", "--threshold=10", "linux/"+unit+".service")
		if cmd.Run() == nil {
			t.Errorf("%s passes a threshold of 1.0: the check does not check", unit)
		}
	}
}

// TestScriptsAreShell: each script is read by the shell without a fault.
func TestScriptsAreShell(t *testing.T) {
	scripts, _ := filepath.Glob("scripts/*")
	if len(scripts) < 7 {
		t.Fatalf("found %d scripts; want 7", len(scripts))
	}
	for _, s := range append(scripts, "linux/show-privacy") {
		run(t, nil, "sh", "-n", s)
	}
}
