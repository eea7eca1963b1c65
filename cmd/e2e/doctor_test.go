//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
)

var update = flag.Bool("update", false, "write the pages that tests compare anew")

// finding is a line of "doctor --json".
type finding struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Text  string `json:"text"`
	Hint  string `json:"hint"`
}

// sick is an enrolled device of which one thing is broken.
type sick struct {
	*lab.Lab
	t    *testing.T
	attr *syscall.SysProcAttr // for the doctor
}

// newSick makes a gateway, which runs, and a device that is enrolled.
func newSick(t *testing.T, extra string) *sick {
	t.Helper()
	s := &sick{Lab: newLab(t, extra), t: t}
	gw := startGateway(t, s.Lab)
	if _, err := s.Agent(t.Context(), "enroll"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gw.Kill)
	return s
}

// settings writes agent.yaml with one text put in the place of another.
func (s *sick) settings(old, new string) {
	s.t.Helper()
	text := s.AgentYAML()
	if !strings.Contains(text, old) {
		s.t.Fatalf("agent.yaml does not hold %q", old)
	}
	if err := s.Write("agent.yaml", strings.Replace(text, old, new, 1)); err != nil {
		s.t.Fatal(err)
	}
}

// doctor runs the doctor and returns its faults, its exit code and all that it said.
func (s *sick) doctor() (faults []finding, code int, said string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), filepath.Join(s.Bin, "discreet-agent"), "doctor", "--json", "--config", s.Path("agent.yaml"), "--run-dir", s.Path("run"))
	cmd.SysProcAttr = s.attr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code, said = exit.ExitCode(), string(exit.Stderr)
	} else if err != nil {
		s.t.Fatal(err)
	}
	var all []finding
	if err := json.Unmarshal(out, &all); err != nil {
		s.t.Fatalf("doctor printed %q: %v", out, err)
	}
	for _, f := range all {
		if f.State == "fault" {
			faults = append(faults, f)
		}
	}
	return faults, code, said + string(out)
}

// public puts the places of this test's machine into those of the manual.
func (s *sick) public(text string) string {
	return strings.NewReplacer(s.Dir, "/etc/discreet", s.Address, "gw.example:8443", "|", "\\|").Replace(text)
}

// TestDoctorFindsNothing: a device that works has no fault, and the exit code is 0.
func TestDoctorFindsNothing(t *testing.T) {
	s := newSick(t, "")
	startAgent(t, s.Lab)
	connected(t, s.Lab)
	if faults, code, said := s.doctor(); code != 0 || len(faults) != 0 {
		t.Errorf("doctor of a device that works = %d, %v; want 0, none\n%s", code, faults, said)
	}
}

// TestDoctorNamesTheFault breaks one thing at a time, for real, and compares what the
// doctor says with the manual.
func TestDoctorNamesTheFault(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a small disk and a network without a way out, and takes capabilities away")
	}
	page := filepath.Join("..", "..", "docs", "deploy", "doctor.md")
	var table strings.Builder
	table.WriteString("| seeded | where | what it says | the way out | exit |\n|---|---|---|---|---|\n")
	for _, c := range []struct {
		name string
		seed func(t *testing.T) *sick
		code int
	}{
		{"wrong CA: the gateway has a new authority", wrongCA, 6},
		{"clock late by a day", lateClock, 1},
		{"proxy without credentials", thirstyProxy, 7},
		{"token used up", tokenUsedUp, 6},
		{"policy conflict: a file of IT asks for more than the floor of another allows", policyConflict, 3},
		{"full disk", fullDisk, 1},
		{"missing capability: CAP_BPF and CAP_NET_RAW, and domains are wanted", missingCapability, 5},
		{"DNS: no server answers", noDNS, 7},
		{"revoked", revokedDevice, 6},
		{"stale certificate: nine days over", staleCertificate, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.seed(t)
			faults, code, said := s.doctor()
			if len(faults) == 0 || code != c.code {
				t.Fatalf("doctor = exit %d with %d faults; want %d with one\n%s", code, len(faults), c.code, said)
			}
			if faults[0].Hint == "" {
				t.Errorf("doctor names no way out: %+v", faults[0])
			}
			host, _ := os.Hostname()
			for _, secret := range []string{host, secretName, "A-77231"} {
				if secret != "" && strings.Contains(said, secret) {
					t.Errorf("doctor says %q, which is a value\n%s", secret, said)
				}
			}
			f := faults[0]
			fmt.Fprintf(&table, "| %s | %s | %s | %s | %d |\n", c.name, f.Name, s.public(f.Text), s.public(f.Hint), code)
		})
	}
	compareTable(t, page, table.String())
}

// compareTable compares what stands between the marks of a page, or writes it.
func compareTable(t *testing.T, page, want string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := bytes.Cut(text, []byte("-update -->\n"))
	got, tail, ended := bytes.Cut(rest, []byte("<!-- end -->"))
	switch {
	case !ok || !ended:
		t.Fatalf("%s has no marks", page)
	case string(got) == want || t.Failed():
	case *update:
		all := bytes.Join([][]byte{head, []byte("-update -->\n" + want + "<!-- end -->"), tail}, nil)
		if err := os.WriteFile(page, all, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s says\n%s\nwant\n%s", page, got, want)
	}
}

// stopAfter ends a process with the test.
func stopAfter(t *testing.T, p *os.Process) {
	t.Cleanup(func() {
		_ = p.Signal(syscall.SIGTERM)
		done := make(chan struct{})
		go func() { _, _ = p.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			_ = p.Kill()
			<-done
		}
	})
}
