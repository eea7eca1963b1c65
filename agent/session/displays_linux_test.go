package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/collectors"
)

// need skips the test where a program is missing, and fails it under CI.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing; .ci/deps installs it", p)
			}
			t.Skipf("%s is missing", p)
		}
	}
}

// start runs a program until the end of the test.
func start(t *testing.T, env []string, uid uint32, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if uid != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

func do(t *testing.T, env []string, uid uint32, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = env
	if uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("after 20 s not yet: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// scene is a helper on a display, and what the service hears.
type scene struct {
	t       *testing.T
	mu      sync.Mutex
	focus   map[string]time.Duration
	pids    map[string]uint32
	active  time.Duration
	began   time.Time
	stopped func() time.Time
}

const testIdle = 1500 * time.Millisecond

// stage starts a server, two followers and a helper with an environment.
func stage(t *testing.T, env []string) *scene {
	t.Helper()
	s := &scene{t: t, focus: map[string]time.Duration{}, pids: map[string]uint32{}}
	dir := t.TempDir()
	server := NewServer(dir, slog.New(slog.DiscardHandler), peer)
	ctx, cancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	stats := [2]collectors.Stats{}
	parts.Go(func() {
		_ = server.Focus(ctx, collectors.Env{Stats: &stats[0]}, func(f collectors.Focused) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.focus[f.App] += f.Span
			s.pids[f.App] = f.PID
		})
	})
	parts.Go(func() {
		_ = server.Activity(ctx, collectors.Env{Stats: &stats[1]}, func(a collectors.Active) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.active += a.Span
		})
	})
	vars := map[string]string{}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		vars[name] = value
	}
	helping, stop := context.WithCancel(t.Context())
	var helper sync.WaitGroup
	await(t, "the socket is there", func() bool { _, err := os.Stat(filepath.Join(dir, SocketName)); return err == nil })
	s.began = time.Now()
	helper.Go(func() {
		_ = NewHelper(Options{
			Dir: dir, Log: slog.New(slog.DiscardHandler), Getenv: func(name string) string { return vars[name] },
			Idle: testIdle, Every: 200 * time.Millisecond, Retry: 10 * time.Millisecond,
		}).Run(helping)
	})
	await(t, "the display tells", func() bool { return stats[0].Note() == "" && stats[1].Note() == "" })
	s.stopped = func() time.Time {
		time.Sleep(300 * time.Millisecond) // the last whole report
		stop()
		helper.Wait()
		end := time.Now()
		time.Sleep(200 * time.Millisecond) // the server reads the last lines
		cancel()
		parts.Wait()
		return end
	}
	t.Cleanup(func() { stop(); helper.Wait(); cancel(); parts.Wait() })
	return s
}

// waitFor waits until the service has heard of focus on a program.
func (s *scene) waitFor(app string) {
	s.t.Helper()
	await(s.t, "focus on "+app, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.focus[app] > 0
	})
}

// A script is what a person does at a display, and when: each step takes as long as
// the programs that it runs, so what is told must lie between two bounds.
type script struct {
	t        *testing.T
	pick     func(app string) // brings a program to the front
	input    func()           // moves the pointer or presses a key
	begin    time.Time
	two      [2]time.Duration // how long AppTwo was in front, at least and at most
	away     [2]time.Duration // how long there was no input
	lastFrom time.Time        // when the last input began
	lastTo   time.Time        // and ended
	slow     bool             // an input took longer than the time after which nobody is there
}

// perform plays the script, again where the machine was too busy for it.
func (s *scene) perform(p *script) {
	s.t.Helper()
	for range 3 {
		s.reset()
		p.slow = false
		if p.play(); !p.slow {
			s.check(p, s.stopped())
			return
		}
	}
	s.t.Fatalf("three times an input took more than %v: the machine is too busy for this test", testIdle)
}

// play brings three programs to the front, goes away for a while and comes back.
func (p *script) play() {
	p.begin = time.Now()
	p.pick("AppOne")
	p.work(2 * time.Second)
	from := time.Now()
	p.pick("AppTwo")
	picked := time.Now()
	p.work(1500 * time.Millisecond)
	leave := time.Now()
	p.pick("AppOne")
	p.two = [2]time.Duration{leave.Sub(picked), time.Since(from)}
	p.work(time.Second)
	from, to := p.lastFrom, p.lastTo
	time.Sleep(3 * time.Second) // nobody there
	back := time.Now()
	p.input()
	p.away = [2]time.Duration{back.Sub(to), time.Since(from)}
	p.work(1200 * time.Millisecond)
}

// work gives input now and again, as a person does.
func (p *script) work(long time.Duration) {
	for end := time.Now().Add(long); time.Now().Before(end); {
		p.lastFrom = time.Now()
		p.input()
		p.lastTo = time.Now()
		p.slow = p.slow || p.lastTo.Sub(p.lastFrom) > testIdle
		time.Sleep(min(250*time.Millisecond, max(0, time.Until(end))))
	}
}

// check compares what was told with the script.
func (s *scene) check(p *script, end time.Time) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	whole := end.Sub(p.begin)
	var sum time.Duration
	for app, d := range s.focus {
		if strings.Contains(app, "secret") {
			s.t.Error("a title was told")
		}
		sum += d
	}
	// One report is 200 ms, and windows take a moment to follow.
	slack := whole/100 + 250*time.Millisecond
	between := func(what string, got, least, most time.Duration) {
		s.t.Helper()
		if got < least-slack || got > most+slack {
			s.t.Errorf("%s: %v; want %v to %v", what, got, least, most)
		}
		s.t.Logf("%s: %v, by the script %v to %v", what, got.Round(time.Millisecond), least.Round(time.Millisecond), most.Round(time.Millisecond))
	}
	between("sum of spans", sum, whole, whole)
	between("AppTwo", s.focus["AppTwo"], p.two[0], p.two[1])
	between("active", s.active, whole-p.away[1], whole-p.away[0])
}

// xServer runs an X server and returns the environment of its session.
func xServer(t *testing.T) []string {
	t.Helper()
	number := 90 + os.Getpid()%100
	env := []string{fmt.Sprintf("DISPLAY=:%d", number), "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere"}
	start(t, env, 0, "Xvfb", fmt.Sprintf(":%d", number), "-screen", "0", "800x600x24", "-nolisten", "tcp")
	await(t, "the X server answers", func() bool { return answering(number) })
	return env
}

// TestX11RefusedAlarm: a server that takes no alarm is noticed; without one the
// person would count as active for ever.
func TestX11RefusedAlarm(t *testing.T) {
	need(t, "Xvfb")
	env := xServer(t)
	x, err := dialX11(t.Context(), func(name string) string {
		for _, kv := range env {
			if value, ok := strings.CutPrefix(kv, name+"="); ok {
				return value
			}
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	defer x.c.Close()
	sync, _, err := x.extension("SYNC")
	if err != nil {
		t.Fatal(err)
	}
	counter, err := x.idleCounter(sync)
	if err != nil || counter == 0 {
		t.Fatalf("idleCounter() = %d, %v; want one", counter, err)
	}
	for id, row := range map[uint32]struct {
		counter uint32
		want    bool
	}{1: {counter, true}, 2: {counter + 12345, false}} {
		if ok, err := x.alarm(sync, x.base|id, row.counter, syncRises, 1000); ok != row.want || err != nil {
			t.Errorf("alarm(counter %d) = %v, %v; want %v", row.counter, ok, err, row.want)
		}
	}
}

// TestX11Session scripts a session on a real X server: two programs, no input for
// a while, input again.
func TestX11Session(t *testing.T) {
	need(t, "Xvfb", "openbox", "xdotool", "xterm")
	env := xServer(t)
	start(t, env, 0, "openbox")
	time.Sleep(500 * time.Millisecond)
	s := stage(t, env)
	one := start(t, env, 0, "xterm", "-class", "AppOne", "-title", "a secret title", "-e", "sleep", "60")
	s.waitFor("AppOne")
	start(t, env, 0, "xterm", "-class", "AppTwo", "-e", "sleep", "60")
	s.waitFor("AppTwo")
	p := &script{t: t,
		pick:  func(app string) { do(t, env, 0, "xdotool", "search", "--class", app, "windowactivate") },
		input: func() { do(t, env, 0, "xdotool", "mousemove_relative", "--", "3", "1") },
	}
	s.perform(p)
	if got := s.pids["AppOne"]; got != uint32(one.Process.Pid) {
		t.Errorf("AppOne is process %d; want %d", got, one.Process.Pid)
	}
}

// answering reports whether an X server listens; a killed one leaves its socket.
func answering(number int) bool {
	c, err := net.Dial("unix", fmt.Sprintf("/tmp/.X11-unix/X%d", number))
	if err == nil {
		c.Close()
	}
	return err == nil
}

// reset forgets what was heard, once nothing is held back: the script proper
// begins.
func (s *scene) reset() {
	time.Sleep(testIdle + 500*time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.focus)
	s.active = 0
}

// TestSwaySession scripts a session on a real Wayland compositor, once by sway's
// own protocol and once by the protocols that every wlroots compositor has.
func TestSwaySession(t *testing.T) {
	need(t, "sway", "swaymsg", "foot", "wtype")
	if os.Getuid() != 0 {
		t.Skip("needs root to run sway as another person")
	}
	const uid = 4243
	dir, err := os.MkdirTemp("/tmp", "discreet-sway") // a person's own: t.TempDir is closed to her
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := errors.Join(os.Chown(dir, uid, uid), os.Chmod(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte("xwayland disable\noutput HEADLESS-1 resolution 800x600\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"XDG_RUNTIME_DIR=" + dir, "HOME=" + dir, "PATH=" + os.Getenv("PATH"), "WLR_BACKENDS=headless", "WLR_LIBINPUT_NO_DEVICES=1",
		"WLR_RENDERER=pixman", "LIBSEAT_BACKEND=noop", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere", "XDG_CURRENT_DESKTOP=sway",
		"SWAYSOCK=" + filepath.Join(dir, "sway.sock"), "LC_ALL=C.UTF-8",
	}
	start(t, env, uid, "sway", "-c", config)
	var display string
	await(t, "sway answers", func() bool {
		list, _ := filepath.Glob(filepath.Join(dir, "wayland-?"))
		if len(list) == 1 {
			display = filepath.Base(list[0])
		}
		_, err := os.Stat(filepath.Join(dir, "sway.sock"))
		return err == nil && display != ""
	})
	env = append(env, "WAYLAND_DISPLAY="+display)
	for name, helperEnv := range map[string][]string{"sway": env, "wlroots": without(env, "SWAYSOCK")} {
		t.Run(name, func(t *testing.T) { swayScript(t, env, helperEnv, uid, name == "sway") })
	}
}

func without(env []string, name string) []string {
	var out []string
	for _, kv := range env {
		if !strings.HasPrefix(kv, name+"=") {
			out = append(out, kv)
		}
	}
	return out
}

func swayScript(t *testing.T, env, helperEnv []string, uid uint32, pids bool) {
	s := stage(t, helperEnv)
	one := start(t, env, uid, "foot", "-a", "AppOne", "-T", "a secret title", "sleep", "60")
	s.waitFor("AppOne")
	start(t, env, uid, "foot", "-a", "AppTwo", "sleep", "60")
	s.waitFor("AppTwo")
	p := &script{t: t,
		pick:  func(app string) { do(t, env, uid, "swaymsg", "[app_id="+app+"] focus") },
		input: func() { do(t, env, uid, "wtype", "a") },
	}
	s.perform(p)
	if got := s.pids["AppOne"]; pids && got != uint32(one.Process.Pid) {
		t.Errorf("AppOne is process %d; want %d", got, one.Process.Pid)
	}
}
