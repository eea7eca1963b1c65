package configs

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// exhaustedEnv tells the test's own child that no inotify is left to it.
const exhaustedEnv = "DISCREET_TEST_INOTIFY_EXHAUSTED"

// TestWatchInotifyExhausted: where the kernel has no inotify left a change is told
// within 3 s all the same. The limit is that of a user namespace of the test's own,
// so that nobody else on the machine runs out.
func TestWatchInotifyExhausted(t *testing.T) {
	if os.Getenv(exhaustedEnv) != "" {
		watchExhausted(t)
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestWatchInotifyExhausted$", "-test.v")
	child.Env = append(os.Environ(), exhaustedEnv+"=1")
	id := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: id}
	out, err := child.CombinedOutput()
	switch {
	case err == nil:
	case child.ProcessState == nil && os.Getenv("CI") != "true":
		t.Skipf("no user namespace here: %v", err)
	default:
		t.Errorf("without inotify: %v\n%s", err, out)
	}
}

func watchExhausted(t *testing.T) {
	if err := os.WriteFile("/proc/sys/user/max_inotify_instances", []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	if w, err := fsnotify.NewWatcher(); err == nil {
		w.Close()
		t.Fatal("inotify is not exhausted")
	}
	p := AgentPathsFor(filepath.Join(t.TempDir(), "agent.yaml"))
	put(t, p.File, "{}")
	l := NewLoader(p, "")
	good(t, l.Load())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	wrote := make(chan time.Time, 1)
	stop := time.AfterFunc(300*time.Millisecond, func() { // while it polls
		wrote <- time.Now()
		put(t, p.File, "privacy: {username: drop}")
	})
	defer stop.Stop()
	calls := 0
	if err := l.Watch(ctx, func() { calls++; cancel() }); err != nil || calls != 1 {
		t.Fatalf("Watch() = %v after %d calls; want one", err, calls)
	}
	t.Logf("told %v after the write", time.Since(<-wrote).Round(10*time.Millisecond))
	if got := userLevel(t, good(t, l.Load())); got != "drop" {
		t.Errorf("username = %s; want drop", got)
	}
}
