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

// TestConfineWithDecoder: the thread that decodes names gives up more than the
// others, and not before them: Go would end the process.
func TestConfineWithDecoder(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has rights to give up")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "discreet-agent")
	build := exec.Command("go", "build", "-tags", "grpcnotrace", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, rung := range []string{"packet", "ebpf"} {
		home := filepath.Join(dir, rung)
		settings := filepath.Join(dir, rung+".yaml")
		text := fmt.Sprintf("state_dir: %s/state\nrun_dir: %s/run\nprivacy: {domains: cleartext}\ncollectors: {domain: {rung: %s}}\n", home, home, rung)
		if err := os.WriteFile(settings, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		cmd := exec.Command(program, "run", "--config", settings)
		cmd.Stderr = &said
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if got := decoders(cmd.Process.Pid); got != 1 {
			t.Errorf("%s: %d threads without any capability; want 1", rung, got)
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: the agent ended with %v\n%.2000s", rung, err, said.String())
		}
	}
}

// decoders waits until some threads of a process have no capability and the rest
// have what is kept, and returns how many they are.
func decoders(pid int) (none int) {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		none = 0
		some := 0
		for _, task := range tasks {
			switch rights := rightsOf(task, false); {
			case strings.Contains(rights, "CapEff "+strings.Repeat("0", 16)):
				none++
			case strings.Contains(rights, fmt.Sprintf("CapEff %016x", uint64(kept))):
				some++
			}
		}
		if none > 0 && none+some == len(tasks) {
			return none
		}
	}
	return none
}
