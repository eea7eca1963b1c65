package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestConfine runs the agent as root and as another account, and looks at every
// thread once it has started: only what the sources need is left, for good.
func TestConfine(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has rights to give up")
	}
	dir, err := os.MkdirTemp("/tmp", "discreet-confine") // t.TempDir is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "discreet-agent")
	build := exec.Command("go", "build", "-tags", "grpcnotrace", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for uid, want := range map[uint32]uint64{0: kept, 65534: 0} {
		home := filepath.Join(dir, fmt.Sprint(uid))
		if err := os.Mkdir(home, 0o755); err != nil {
			t.Fatal(err)
		}
		settings := filepath.Join(home, "agent.yaml")
		text := fmt.Sprintf("state_dir: %s/state\nrun_dir: %s/run\n", home, home)
		if err := os.WriteFile(settings, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(home, int(uid), int(uid)); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, "run", "--config", settings)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if uid != 0 {
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		confined(t, uid, cmd.Process.Pid, want)
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("uid %d: the agent ended with %v", uid, err)
		}
	}
}

func confined(t *testing.T, uid uint32, pid int, want uint64) {
	t.Helper()
	rights := fmt.Sprintf("CapInh 0000000000000000, CapPrm %016x, CapEff %016x, NoNewPrivs 1", want, want)
	if uid == 0 {
		rights = strings.Replace(rights, "NoNewPrivs", fmt.Sprintf("CapBnd %016x, NoNewPrivs", want), 1)
	}
	var wrong []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		wrong = nil
		for _, task := range tasks {
			if got := rightsOf(task, uid == 0); got != rights {
				wrong = append(wrong, got)
			}
		}
		if len(tasks) >= 3 && wrong == nil {
			return
		}
	}
	t.Errorf("uid %d: threads have %q; want %s on each", uid, wrong, rights)
}

func rightsOf(status string, bound bool) string {
	text, err := os.ReadFile(status)
	if err != nil {
		return "gone"
	}
	var list []string
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "CapInh", "CapPrm", "CapEff", "NoNewPrivs":
			list = append(list, name+" "+strings.TrimSpace(value))
		case "CapBnd":
			if bound {
				list = append(list, name+" "+strings.TrimSpace(value))
			}
		}
	}
	return strings.Join(list, ", ")
}
