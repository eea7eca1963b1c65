package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/configs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

const alice, bob = 48333, 48334

// puppet is a collector that a test moves.
type puppet struct {
	mu   sync.Mutex
	emit collectors.Emit // nil: not running
}

func (p *puppet) Run(ctx context.Context, emit collectors.Emit) error {
	p.mu.Lock()
	p.emit = emit
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	p.emit = nil
	p.mu.Unlock()
	return nil
}

func (p *puppet) spec(name string, c privacyv1.Class) collectors.Spec {
	return collectors.Spec{Name: name, Classes: []privacyv1.Class{c}, New: func(collectors.Env) (collectors.Collector, error) { return p, nil }}
}

// send emits an event, and reports false where the collector does not run.
func (p *puppet) send(ev *eventv1.Event) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.emit == nil {
		return false
	}
	p.emit(ev)
	return true
}

// world is a running agent that other users of this machine can ask.
type world struct {
	dir        string
	agent      *Agent
	work, move puppet // process and logon
	stop       func()
}

const lively = `schema: 1
privacy:
  processes: each
  pause: {allowed: true, max: 30m, per_day: 2}
`

func runWorld(t *testing.T, dir, settings string, paused bool) *world {
	t.Helper()
	w := &world{dir: dir}
	file := filepath.Join(dir, "agent.yaml")
	text := settings + fmt.Sprintf("state_dir: %s/state\nrun_dir: %s/run\n", dir, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	a, err := New(Options{
		Paths: configs.AgentPathsFor(file), Log: slog.New(slog.DiscardHandler), Ready: func() { close(ready) },
		Specs: []collectors.Spec{w.work.spec("process", privacyv1.Class_PROCESSES), w.move.spec("logon", privacyv1.Class_LOGONS)},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.agent = a
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(w.stop)
	<-ready
	for !w.runs(&w.work) || !w.runs(&w.move) && !paused {
		time.Sleep(time.Millisecond)
	}
	return w
}

// newWorld runs an agent under settings until the test ends.
func newWorld(t *testing.T, dir, settings string) *world { return runWorld(t, dir, settings, false) }

func (w *world) runs(p *puppet) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.emit != nil
}

// open makes a folder that every user of this machine can enter, with the test
// program in it.
func open(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to act as two users")
	}
	dir, err := os.MkdirTemp("/tmp", "discreet-employee-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	exe, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "asker"), exe, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestAsker is what a child process runs: it puts one question as its own user
// and prints what comes.
func TestAsker(t *testing.T) {
	dir, question := os.Getenv("ASK_DIR"), os.Getenv("ASK")
	if dir == "" {
		t.Skip("only as a child of another test")
	}
	var q view.Request
	if err := json.Unmarshal([]byte(question), &q); err != nil {
		t.Fatal(err)
	}
	var err error
	if q.Command == "preview" {
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		fmt.Println("watching")
		err = view.Follow(ctx, dir, q, func(raw json.RawMessage) error { fmt.Println(string(raw)); return nil })
	} else {
		var raw json.RawMessage
		if err = view.Ask(dir, q, &raw); err == nil {
			fmt.Println(string(raw))
		}
	}
	for kind, e := range map[string]error{"forbidden": view.ErrForbidden, "permission": view.ErrPermission, "usage": view.ErrUsage} {
		if errors.Is(err, e) {
			fmt.Println("refused:", kind)
			return
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// as asks as another user.
func (w *world) as(t *testing.T, uid uint32, command string, args map[string]string) string {
	t.Helper()
	out := &bytes.Buffer{}
	w.child(t, uid, out, command, args)()
	return out.String()
}

func (w *world) child(t *testing.T, uid uint32, out io.Writer, command string, args map[string]string) (wait func()) {
	t.Helper()
	q, _ := json.Marshal(view.Request{Command: command, Args: args})
	c := exec.Command(filepath.Join(w.dir, "asker"), "-test.run=^TestAsker$")
	c.Env = []string{"ASK_DIR=" + filepath.Join(w.dir, "run"), "ASK=" + string(q)}
	c.Dir, c.Stdout, c.Stderr = "/", out, out
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := c.Wait(); err != nil {
			t.Fatalf("%s as %d: %v", command, uid, err)
		}
	}
}

func runBy(uid uint32, program string) *eventv1.Event {
	id := fmt.Sprint(uid)
	return &eventv1.Event{TimeUnixMs: time.Now().UnixMilli(), Kind: &eventv1.Event_ProcessStart{ProcessStart: &eventv1.ProcessStart{
		Pid: 7, Program: &eventv1.Program{Name: program, Path: "/opt/" + program + "/" + program}, User: &eventv1.User{Name: "uid:" + id, Sid: id},
	}}}
}

// everybody emits one program of each user, and one of nobody knows whom.
func (w *world) everybody() {
	w.work.send(runBy(alice, "alices-tool"))
	w.work.send(runBy(bob, "bobs-tool"))
	w.work.send(runBy(0, "roots-tool"))
	ev := runBy(0, "whose-tool")
	ev.GetProcessStart().User = nil
	w.work.send(ev)
}

func contains(t *testing.T, what, out string, want, never []string) {
	t.Helper()
	for _, s := range want {
		if !strings.Contains(out, s) {
			t.Errorf("%s has no %q; want it in:\n%.2000s", what, s, out)
		}
	}
	for _, s := range never {
		if strings.Contains(out, s) {
			t.Errorf("%s has %q; want it hidden", what, s)
		}
	}
}

func TestS41LastShowsOwnAndDevice(t *testing.T) {
	w := newWorld(t, open(t), lively)
	w.everybody()
	all := map[string]string{"n": "1000"}
	contains(t, "last of alice", w.as(t, alice, "last", all),
		[]string{"alices-tool", "roots-tool", "policy_applied"}, []string{"bobs-tool", "whose-tool", "uid:"})
	contains(t, "last of bob", w.as(t, bob, "last", all),
		[]string{"bobs-tool"}, []string{"alices-tool", "whose-tool"})
	contains(t, "last of root", w.as(t, 0, "last", all),
		[]string{"alices-tool", "bobs-tool", "roots-tool", "whose-tool"}, []string{"uid:"})
}

func TestS41PreviewShowsOwnAndDevice(t *testing.T) {
	w := newWorld(t, open(t), lively)
	args := map[string]string{"before": "yes"}
	outs := map[uint32]*bytes.Buffer{alice: {}, bob: {}, 0: {}}
	var waits []func()
	for uid, out := range outs {
		waits = append(waits, w.child(t, uid, out, "preview", args))
	}
	for ends := time.Now().Add(2500 * time.Millisecond); time.Now().Before(ends); time.Sleep(20 * time.Millisecond) {
		w.everybody()
	}
	for _, wait := range waits {
		wait()
	}
	contains(t, "preview of alice", outs[alice].String(),
		[]string{"alices-tool", "uid:48333", "roots-tool"}, []string{"bobs-tool", "uid:48334", "whose-tool", "uid:0"})
	contains(t, "preview of bob", outs[bob].String(), []string{"bobs-tool", "uid:48334"}, []string{"alices-tool", "uid:48333"})
	contains(t, "preview of root", outs[0].String(),
		[]string{"alices-tool", "bobs-tool", "whose-tool"}, []string{"uid:48333", "uid:48334"})
}

func TestWhoamiNamesWhatWasSent(t *testing.T) {
	w := newWorld(t, open(t), lively)
	w.everybody()
	var me view.Whoami
	if err := json.NewDecoder(strings.NewReader(w.as(t, alice, "whoami", nil))).Decode(&me); err != nil {
		t.Fatal(err)
	}
	if me.UID != alice || !strings.HasPrefix(me.InData, "p1."+me.KeyID+".") || !slices.Equal(me.Pseudo, []string{me.InData}) {
		t.Errorf("whoami = %d, %q, %q, key %q; want the pseudonym of %d under that key", me.UID, me.InData, me.Pseudo, me.KeyID, alice)
	}
	contains(t, "last of alice", w.as(t, alice, "last", nil), []string{me.InData}, nil)
	contains(t, "explain of alice", w.as(t, alice, "explain", map[string]string{"key": "username"}), []string{"uid:48333", me.InData}, nil)
	contains(t, "explain of bob", w.as(t, bob, "explain", map[string]string{"key": "username"}), []string{"uid:48334"}, []string{me.InData, "uid:48333"})
}

// files returns every file below dir but those of the spool, which hold what
// waits to be sent.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.Contains(p, "/spool/") {
			all = append(all, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestS42LastLeavesNothingOnDisk(t *testing.T) {
	dir := open(t)
	w := newWorld(t, dir, lively)
	before := files(t, dir)
	w.everybody()
	contains(t, "last of alice", w.as(t, alice, "last", nil), []string{"alices-tool"}, nil)
	if after := files(t, dir); !slices.Equal(before, after) {
		t.Errorf("files after last = %q; want those before it: %q", after, before)
	}
	for _, name := range files(t, dir) {
		if data, err := os.ReadFile(name); err == nil && filepath.Base(name) != "asker" && bytes.Contains(data, []byte("alices-tool")) {
			t.Errorf("%s holds a record; want none outside of the spool", name)
		}
	}
	w.stop()
	again := newWorld(t, dir, lively)
	contains(t, "last after a restart", again.as(t, 0, "last", map[string]string{"n": "1000"}), nil, []string{"alices-tool"})
}

func TestS60NoPort(t *testing.T) {
	w := newWorld(t, open(t), lively)
	inodes := map[string]bool{}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		to, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		if id, ok := strings.CutPrefix(to, "socket:["); ok {
			inodes[strings.TrimSuffix(id, "]")] = true
		}
	}
	if len(inodes) == 0 {
		t.Fatal("the agent has no socket at all; want its Unix socket")
	}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		data, _ := os.ReadFile("/proc/self/net/" + table)
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			if len(f) > 9 && inodes[f[9]] && (f[3] == "0A" || strings.HasPrefix(table, "udp")) {
				t.Errorf("the agent listens on a port: %s", line)
			}
		}
	}
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "POST /privacy HTTP/1.1\r\n\r\n{}\n"} {
		c, err := net.Dial("unix", filepath.Join(w.dir, "run", "agent.sock"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, request)
		got, _ := io.ReadAll(io.LimitReader(c, 1<<16))
		c.Close()
		if !strings.Contains(string(got), "request is not JSON") || bytes.Contains(got, []byte(`"result"`)) {
			t.Errorf("a web request got %q; want a refusal", got)
		}
	}
}

func TestS60PersonalAnswersNeedPeerCredentials(t *testing.T) {
	w := newWorld(t, open(t), lively)
	for _, command := range []string{"whoami", "explain", "last", "preview", "pause"} {
		_, err := w.agent.answer(t.Context(), view.Caller{}, view.Request{Command: command, Args: map[string]string{"key": "username"}})
		if !errors.Is(err, view.ErrPermission) {
			t.Errorf("%s of a caller that the system does not name = %v; want ErrPermission", command, err)
		}
	}
	for _, command := range []string{"status", "collectors", "privacy_show", "privacy_page", "inventory"} {
		if _, err := w.agent.answer(t.Context(), view.Caller{}, view.Request{Command: command}); err != nil {
			t.Errorf("%s of a caller that the system does not name = %v; want an answer", command, err)
		}
	}
}
