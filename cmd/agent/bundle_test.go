package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// bundleFiles are all the files that a bundle may hold.
var bundleFiles = []string{"MANIFEST.txt", "versions.json", "status.json", "collectors.json", "policy.json", "settings.json", "doctor.json", "log.json"}

// unpack returns the files of a bundle.
func unpack(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uname != "" || h.Gname != "" || h.Uid != 0 || h.Gid != 0 || h.Mode != 0o600 {
			t.Errorf("the header of %s is of %q %q %d %d %o; want of nobody", h.Name, h.Uname, h.Gname, h.Uid, h.Gid, h.Mode)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "discreet-support/")] = string(b)
	}
}

// TestS23BundleWithoutAgent makes a bundle of settings whose every text, file and
// folder carries the canary.
func TestS23BundleWithoutAgent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "zz-canary")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	config, out := filepath.Join(dir, "zz-canary.yaml"), filepath.Join(dir, "b.tar.gz")
	text := "schema: 1\ngateway: {address: 'zz-canary.invalid:1', proxy: 'http://zz-canary:1'}\ndevice: {asset_id: zz-canary, tags: [zz-canary]}\n" +
		"privacy: {statement: {set_by: zz-canary}, exclude_programs: [zz-canary]}\nlog: {level: warn}\nstate_dir: " + dir + "/state\nrun_dir: " + dir + "/run\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func() error {
		c := rootCommand()
		c.SetArgs([]string{"support-bundle", "--config", config, "--out", out, "--lang", "de"})
		c.SetOut(io.Discard)
		return c.ExecuteContext(context.Background())
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(out); err != nil || modesTell && fi.Mode().Perm() != 0o600 {
		t.Errorf("the bundle has the mode %v, %v; want 0600", fi.Mode(), err)
	}
	files := unpack(t, out)
	for name, text := range files {
		if !slices.Contains(bundleFiles, name) {
			t.Errorf("%s is in the bundle; want only %q", name, bundleFiles)
		}
		if strings.Contains(text, "canary") {
			t.Errorf("%s holds the canary: %s", name, text)
		}
		if !strings.Contains(files["MANIFEST.txt"], name) {
			t.Errorf("the manifest does not name %s", name)
		}
	}
	if len(files) != len(bundleFiles) {
		t.Errorf("the bundle holds %d files; want %d", len(files), len(bundleFiles))
	}
	for name, want := range map[string]string{
		"MANIFEST.txt": "Kein laufender Agent", "status.json": `"running": false`, "settings.json": `"(set)"`, "policy.json": `"key": "username"`,
		"doctor.json": `"state": "fault"`, "collectors.json": `"name": "process"`, "versions.json": `"go": "go1`,
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s = %s; want %s in it", name, files[name], want)
		}
	}
	if err := run(); err == nil || !strings.Contains(err.Error(), "hint: name another with --out") {
		t.Errorf("a second run to the same file = %v; want a refusal with a way out", err)
	}
}

// TestS23ChecksAreNamed: what the doctor looks at is in the bundle's list.
func TestS23ChecksAreNamed(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(config, []byte("schema: 1\nstate_dir: "+dir+"\nprivacy: {pseudonym: {tenant_key_file: "+config+"}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &shared{config: config}
	for _, c := range s.examine(t.Context()) {
		if oneOf(bundleChecks, c.Name) == "other" {
			t.Errorf("the check %q is not in bundleChecks", c.Name)
		}
	}
	sup, err := s.support()
	if err != nil {
		t.Fatal(err)
	}
	members, err := s.members(sup, []check{{Name: "zz-canary", State: "zz-canary", Text: "zz-canary", Hint: "zz-canary"}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if strings.Contains(string(m.data), "canary") {
			t.Errorf("%s takes over a check that is unknown: %s", m.Name, m.data)
		}
	}
}

func TestLeadingNumbers(t *testing.T) {
	for in, want := range map[string]string{"6.18.44": "6.18.44", "6.1.0-zz-canary": "6.1.0", "zz": "", "": "", "5.15.": "5.15"} {
		if got := leadingNumbers(in); got != want {
			t.Errorf("leadingNumbers(%q) = %q; want %q", in, got, want)
		}
	}
}
