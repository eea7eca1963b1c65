package main

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/agent"
)

// versions is what versions.json holds.
type versions struct {
	Agent  string `json:"agent"` // of the program that made the bundle
	Go     string `json:"go"`
	System string `json:"system"`
	Arch   string `json:"arch"`
	CPUs   int    `json:"cpus"`
	Kernel string `json:"kernel,omitempty"` // its numbers, without what a builder added
}

// told is a check of the doctor without its text, which may name a place.
type told struct {
	Check string `json:"check"`
	State string `json:"state"`
}

// bundleChecks are the checks that a bundle names; another one is "other".
var bundleChecks = []string{"settings", "policy", "pseudonym key", "identity", "gateway resolve", "gateway connect", "gateway tls", "gateway hello", "agent", "collectors", "disk", "clock"}

// bundleNever are the lines of the manifest that say what is not in a bundle.
var bundleNever = []string{"events", "names", "numbers", "keys", "paths", "reasons"}

// members builds the files of a bundle: these and no others.
func (s *shared) members(sup agent.Support, checks []check, made time.Time) ([]member, error) {
	doctor := []told{}
	for _, c := range checks {
		doctor = append(doctor, told{oneOf(bundleChecks, c.Name), oneOf([]string{"ok", "warning", "fault"}, c.State)})
	}
	parts := []struct {
		name string
		v    any
	}{
		{"versions.json", versions{version, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), kernelNumbers()}},
		{"status.json", sup.Status},
		{"collectors.json", sup.Collectors},
		{"policy.json", sup.Policy},
		{"settings.json", sup.Settings},
		{"doctor.json", doctor},
		{"log.json", sup.Log},
	}
	names := []string{"MANIFEST.txt"}
	members := make([]member, 1, len(parts)+1)
	for _, p := range parts {
		b := &bytes.Buffer{}
		if err := printJSON(b, p.v); err != nil {
			return nil, fmt.Errorf("write %s: %w", p.name, err)
		}
		names, members = append(names, p.name), append(members, newMember(p.name, b.Bytes()))
	}
	members[0] = newMember(names[0], s.manifest(names, sup.Status.Running, made))
	return members, nil
}

// manifest says in plain words, in the language of whoever makes the bundle, what
// each file holds and what none of them does.
func (s *shared) manifest(names []string, running bool, made time.Time) []byte {
	l, b := s.language(), &bytes.Buffer{}
	source := "bundle.files"
	if running {
		source = "bundle.running"
	}
	fmt.Fprintf(b, "%s\n\n%s\n%s\n%s: %s\n\n%s:\n", l.Text("bundle.title"), l.Text("bundle.intro"), l.Text(source),
		l.Text("bundle.made"), made.UTC().Format("2006-01-02 15:04 UTC"), l.Text("bundle.holds"))
	for _, n := range names {
		fmt.Fprintf(b, "  %-16s %s\n", n, l.Text("bundle.member."+n))
	}
	fmt.Fprintf(b, "\n%s:\n", l.Text("bundle.never"))
	for _, n := range bundleNever {
		fmt.Fprintf(b, "  - %s\n", l.Text("bundle.never."+n))
	}
	return b.Bytes()
}

// oneOf returns the word if the list has it, else "other".
func oneOf(list []string, word string) string {
	if slices.Contains(list, word) {
		return word
	}
	return "other"
}

// leadingNumbers cuts a kernel's release to its numbers: the rest is up to who
// built it.
func leadingNumbers(release string) string {
	end := strings.IndexFunc(release, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end >= 0 {
		release = release[:end]
	}
	return strings.Trim(release, ".")
}
