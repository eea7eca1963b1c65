package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/privacy"
)

// maria and paul are two people without any rights.
const maria, paul = 48341, 48342

// desk is a running agent with its own files, which only root may read, and a
// folder that everybody may enter.
type desk struct {
	t        *testing.T
	dir, exe string
	agent    *exec.Cmd
}

func newDesk(t *testing.T, settings string) *desk {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root to act as two users")
		}
		t.Skip("needs root to act as two users")
	}
	dir, err := os.MkdirTemp("/tmp", "discreet-desk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &desk{t: t, dir: dir, exe: filepath.Join(dir, "discreet-agent")}
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	text := settings + fmt.Sprintf("state_dir: %s/state\nrun_dir: %s/run\n", dir, dir)
	for name, data := range map[string][]byte{"discreet-agent": self, "agent.yaml": []byte(text)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(d.exe, 0o755)); err != nil {
		t.Fatal(err)
	}
	d.start()
	return d
}

// start runs the agent until stop, or the end of the test.
func (d *desk) start() {
	d.t.Helper()
	c := exec.Command(d.exe, "run", "--config", filepath.Join(d.dir, "agent.yaml"))
	log := &bytes.Buffer{}
	c.Stderr, c.Dir = log, d.dir
	if err := c.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.agent = c
	d.t.Cleanup(d.stop)
	for ends := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if code, _, _ := d.try(0, "status"); code == 0 {
			return
		}
		if time.Now().After(ends) {
			d.stop()
			d.t.Fatalf("the agent does not answer:\n%s", log)
		}
	}
}

func (d *desk) stop() {
	if d.agent != nil {
		_ = d.agent.Process.Signal(syscall.SIGTERM)
		_ = d.agent.Wait()
		d.agent = nil
	}
}

// try runs a command as a user and returns its exit code and what it prints.
func (d *desk) try(uid uint32, args ...string) (code int, out, wrong string) {
	d.t.Helper()
	c := exec.Command(d.exe, append(args, "--run-dir", filepath.Join(d.dir, "run"))...)
	so, se := &bytes.Buffer{}, &bytes.Buffer{}
	c.Stdout, c.Stderr, c.Dir, c.Env = so, se, "/", []string{"LANG=C", "TZ=UTC"}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	err := c.Run()
	var e *exec.ExitError
	if err != nil && !errors.As(err, &e) {
		d.t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), so.String(), se.String()
}

// want runs a command and compares its exit code.
func (d *desk) want(code int, uid uint32, args ...string) string {
	d.t.Helper()
	got, out, wrong := d.try(uid, args...)
	if got != code {
		d.t.Errorf("%q as %d: exit %d; want %d\n%s", args, uid, got, code, wrong)
	}
	if code != 0 && !strings.HasPrefix(wrong, "discreet-agent: ") {
		d.t.Errorf("%q as %d says %q; want a reason", args, uid, wrong)
	}
	return out
}

// uses runs a program of a person's own.
func (d *desk) uses(uid uint32, name string) {
	d.t.Helper()
	file := filepath.Join(d.dir, name)
	if _, err := os.Stat(file); err != nil {
		data, err := os.ReadFile("/bin/sleep")
		if err != nil {
			d.t.Fatal(err)
		}
		// What another goroutine forks meanwhile would hold the file open for writing,
		// and then nobody can run it: https://go.dev/issue/22315
		syscall.ForkLock.RLock()
		err = os.WriteFile(file, data, 0o755)
		syscall.ForkLock.RUnlock()
		if err != nil {
			d.t.Fatal(err)
		}
	}
	c := exec.Command(file, "0.2")
	c.Dir, c.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	if err := c.Run(); err != nil {
		d.t.Fatal(err)
	}
}

const deskEach = `schema: 1
privacy:
  processes: each
  statement: {set_by: IT and works council, purpose: care, contact: dpo@corp.example}
privacy_floor: {username: hashed}
`

// TestS41LastThroughTheProgram has two people run programs of their own: each sees
// her own in "last" and "preview", and what she sees are the bytes in the spool.
func TestS41LastThroughTheProgram(t *testing.T) {
	d := newDesk(t, deskEach)
	var last view.Last
	for ends := time.Now().Add(30 * time.Second); ; {
		d.uses(maria, "amber-tool")
		d.uses(paul, "cobalt-tool")
		out := d.want(0, maria, "privacy", "last", "1000", "--json")
		if strings.Contains(out, "cobalt-tool") {
			t.Fatal("Maria sees what Paul ran")
		}
		if strings.Contains(out, "amber-tool") {
			if err := json.Unmarshal([]byte(out), &last); err != nil {
				t.Fatal(err)
			}
			break
		}
		if time.Now().After(ends) {
			t.Fatal("Maria does not see the program that she ran")
		}
	}
	if out := d.want(0, paul, "privacy", "last", "1000"); strings.Contains(out, "amber-tool") {
		t.Error("Paul sees what Maria ran")
	}
	d.stop() // what is in memory goes to the disk
	var spool []byte
	err := filepath.WalkDir(filepath.Join(d.dir, "state", "spool"), func(p string, f fs.DirEntry, err error) error {
		if err != nil || f.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		spool = append(spool, data...)
		return err
	})
	if err != nil || len(spool) == 0 {
		t.Fatalf("read spool: %d bytes, %v", len(spool), err)
	}
	for _, e := range last.Events {
		sum := sha256.Sum256(e.Wire)
		if hex.EncodeToString(sum[:]) != e.SHA256 || len(e.Wire) != e.Bytes || !bytes.Contains(spool, e.Wire) {
			t.Errorf("record %s of %d bytes is not what the spool holds", e.Kind, e.Bytes)
		}
	}
}

// TestS41PreviewThroughTheProgram looks on while both run programs.
func TestS41PreviewThroughTheProgram(t *testing.T) {
	d := newDesk(t, deskEach)
	outs := map[uint32]chan string{maria: make(chan string, 1), paul: make(chan string, 1)}
	for uid, out := range outs {
		go func() {
			_, text, _ := d.try(uid, "privacy", "preview", "--before-after", "--for", "4s")
			out <- text
		}()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ends := time.Now().Add(4 * time.Second); time.Now().Before(ends); {
			d.uses(maria, "amber-tool")
			d.uses(paul, "cobalt-tool")
		}
	}()
	hers, his := <-outs[maria], <-outs[paul]
	<-done
	if !strings.Contains(hers, "amber-tool") || strings.Contains(hers, "cobalt-tool") || strings.Contains(hers, fmt.Sprint(paul)) {
		t.Errorf("Maria's preview: want her own program and none of Paul's:\n%.1500s", hers)
	}
	if !strings.Contains(his, "cobalt-tool") || strings.Contains(his, "amber-tool") || strings.Contains(his, fmt.Sprint(maria)) {
		t.Errorf("Paul's preview: want his own program and none of Maria's:\n%.1500s", his)
	}
}

// bareID is the id of a message that stands in the place of its text.
var bareID = regexp.MustCompile(`(^|\s)(why|explain|whoami|history|last|pause|layer|bound|level|key)\.[a-z_]+\b`)

// TestEveryCommandAsAnEmployee walks the commands of privacy without any right, in
// each language, and as JSON.
func TestEveryCommandAsAnEmployee(t *testing.T) {
	d := newDesk(t, deskEach)
	for _, l := range view.Languages() {
		for _, command := range []string{"show", "show --html", "whoami", "last", "inventory", "inventory --format csv", "history", "pause"} {
			args := append([]string{"privacy", "--lang", l.String()}, strings.Fields(command)...)
			if out := d.want(0, maria, args...); strings.TrimSpace(out) == "" || bareID.MatchString(out) {
				t.Errorf("%s in %s says %.300q; want words", command, l, out)
			}
		}
		for k := range privacy.NumKeys {
			out := d.want(0, maria, "privacy", "explain", k.String(), "--lang", l.String())
			for _, want := range []string{l.Text("explain.changed") + ": 20", l.Text("explain.floor") + ": ", l.Key(k.String()), "IT and works council"} {
				if !strings.Contains(out, want) {
					t.Errorf("explain %s in %s lacks %q:\n%s", k, l, want, out)
				}
			}
			if bareID.MatchString(out) || strings.Contains(out, l.Text("why.unsaid")) {
				t.Errorf("explain %s in %s shows nothing and says not why:\n%s", k, l, out)
			}
		}
	}
	for _, command := range []string{"show", "whoami", "last", "inventory", "history", "pause", "explain upn"} {
		out := d.want(0, maria, append([]string{"privacy", "--json"}, strings.Fields(command)...)...)
		if !json.Valid([]byte(out)) {
			t.Errorf("%s --json is no JSON: %.200q", command, out)
		}
	}
	var me view.Whoami
	if err := json.Unmarshal([]byte(d.want(0, maria, "privacy", "whoami", "--json")), &me); err != nil {
		t.Fatal(err)
	}
	if me.UID != maria || len(me.Pseudo) != 1 || me.SID.Level != "drop" || me.SID.InData != "" || me.UPN.Known {
		t.Errorf("whoami = %+v; want Maria's pseudonyms, and no sign-in name", me)
	}
}

// TestExitCodesAsAnEmployee makes each refusal that she can meet.
func TestExitCodesAsAnEmployee(t *testing.T) {
	d := newDesk(t, deskEach)
	d.want(exitForbidden, maria, "privacy", "pause", "30m")
	d.want(exitUsage, maria, "privacy", "explain", "nothing")
	d.want(exitUsage, maria, "privacy", "last", "0")
	d.want(exitUsage, maria, "privacy", "last", "all")
	d.want(exitUsage, maria, "privacy", "whoami", "--lang", "xx")
	if err := os.Chmod(filepath.Join(d.dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"show", "whoami", "last", "inventory", "history", "pause"} {
		d.want(exitPermission, maria, "privacy", command)
	}
	if err := os.Chmod(filepath.Join(d.dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.stop()
	for _, command := range []string{"show", "whoami", "last", "inventory", "history", "pause"} {
		d.want(exitNotRunning, maria, "privacy", command)
	}
}

// TestS40PauseThroughTheProgram pauses as Maria. Paul cannot end it, everybody
// sees the count and nobody who asked, and it outlives a restart.
func TestS40PauseThroughTheProgram(t *testing.T) {
	d := newDesk(t, "schema: 1\nprivacy:\n  logons: hour\n  pause: {allowed: true, max: 30m, per_day: 2}\n")
	d.want(exitForbidden, maria, "privacy", "pause", "31m")
	d.want(0, maria, "privacy", "pause", "20m")
	d.want(exitPermission, paul, "privacy", "pause", "--resume")
	held := func(when string) {
		t.Helper()
		out := d.want(0, paul, "status", "--json")
		if !strings.Contains(out, `"pauses_today": 1`) || strings.Contains(out, fmt.Sprint(maria)) {
			t.Errorf("%s the status is %s; want one pause, and not whose", when, out)
		}
		var p view.Pause
		if err := json.Unmarshal([]byte(d.want(0, paul, "privacy", "pause", "--json")), &p); err != nil || p.Until == nil || p.Left != 1 {
			t.Errorf("%s the pause is %+v, %v; want it to hold, and one left", when, p, err)
		}
	}
	held("while it is paused")
	d.stop()
	d.start()
	held("after a restart")
	d.want(0, 0, "privacy", "pause", "--resume")
	d.want(0, paul, "privacy", "pause", "1m")
	d.want(exitForbidden, maria, "privacy", "pause", "1m")
}
