package e2e

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// coreUID is an account that is nobody's: only for one that is not root does the
// owner of /proc/PID tell whether a process may be dumped, proc(5).
const coreUID = 48336

const coreCanary = "zz-canary-7f3a"

// crashed is a program under coreUID in a folder of its own, whose parent allows
// core files without limit and asks Go for one.
type crashed struct {
	*exec.Cmd
	dir, log string
}

func startCrashable(t *testing.T, dir, program string, args ...string) *crashed {
	t.Helper()
	c := &crashed{exec.Command(program, args...), filepath.Join(dir, "cwd-"+filepath.Base(program)), filepath.Join(dir, filepath.Base(program)+".log")}
	if err := os.MkdirAll(c.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(c.dir, coreUID, coreUID); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(c.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.Cmd.Dir, c.Stderr, c.Env = c.dir, log, append(os.Environ(), "GOTRACEBACK=crash")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: coreUID, Gid: coreUID}}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return c
}

// crash ends the program by a signal, and returns whether the kernel says that it
// dumped core, and how many core files lie where it ran.
func (c *crashed) crash(t *testing.T, sig syscall.Signal) (dumped bool, files int) {
	t.Helper()
	if err := c.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(c.dir, "core*"))
	if err != nil {
		t.Fatal(err)
	}
	return c.ProcessState.Sys().(syscall.WaitStatus).CoreDump(), len(found)
}

// owner returns who owns the process's entry in /proc.
func (c *crashed) owner(t *testing.T) uint32 {
	t.Helper()
	info, err := os.Stat(fmt.Sprintf("/proc/%d/maps", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}

// coreLimit returns the fields of the line about core files in /proc/PID/limits.
func (c *crashed) coreLimit(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Max core file size"); ok {
			return strings.Join(strings.Fields(rest), " ")
		}
	}
	t.Fatal("no line about core files in the limits")
	return ""
}

// TestS08NoCoreFile crashes the real agent, after it saw a canary, where another
// program that crashes leaves a core file. It leaves none, and what it prints of
// its goroutines does not hold the canary.
func TestS08NoCoreFile(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: to run the agent under another account")
	}
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: ^uint64(0), Max: ^uint64(0)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_CORE, &was) })
	for _, sig := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGSEGV, syscall.SIGABRT} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := coreFolder(t)
			control := startCrashable(t, dir, "/bin/sleep", "600")
			agent := startCrashable(t, dir, filepath.Join(dir, "discreet-agent"), "run", "--config", filepath.Join(dir, "agent.yaml"))
			seeCanary(t, dir, agent)
			if got := control.owner(t); got != coreUID {
				t.Fatalf("owner of a dumpable process = %d; want %d, or the test proves nothing", got, coreUID)
			}
			if got := agent.owner(t); got != 0 {
				t.Errorf("owner of the agent's process = %d; want 0: undumpable", got)
			}
			if got := agent.coreLimit(t); got != "0 0 bytes" {
				t.Errorf("core limit of the agent = %q; want 0 0 bytes", got)
			}
			if dumped, _ := control.crash(t, syscall.SIGABRT); !dumped {
				t.Fatal("another program that crashes leaves no core file: the test proves nothing here")
			}
			if dumped, files := agent.crash(t, sig); dumped || files != 0 {
				t.Errorf("the agent dumped core: %t, core files: %d; want none", dumped, files)
			}
			text, err := os.ReadFile(agent.log)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), "goroutine ") {
				t.Errorf("the agent printed no goroutines at %v: the search for values proves nothing", sig)
			}
			if strings.Contains(string(text), coreCanary) {
				t.Errorf("what the agent printed at its crash holds the canary")
			}
		})
	}
}

// coreFolder makes a folder that coreUID can use, with the agent and its settings.
func coreFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "discreet-core-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	settings := fmt.Sprintf("schema: 1\nstate_dir: %s/state\nrun_dir: %s/run\nspool: {min_free: 16MiB}\ngateway: {address: 127.0.0.1:9, token_file: %s/token}\nprivacy: {preset: balanced, processes: each}\n", dir, dir, dir)
	if err := os.WriteFile(filepath.Join(dir, "agent.yaml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	copyProgram(t, filepath.Join("..", "..", "bin", "discreet-agent"), filepath.Join(dir, "discreet-agent"))
	copyProgram(t, "/bin/sleep", filepath.Join(dir, coreCanary))
	for _, name := range []string{"", "agent.yaml"} {
		if err := os.Chown(filepath.Join(dir, name), coreUID, coreUID); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatalf("the programs are missing: run make build first (%v)", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// seeCanary runs the canary, a program of the account, until the agent has counted
// the start of a process.
func seeCanary(t *testing.T, dir string, agent *crashed) {
	t.Helper()
	for ends := time.Now().Add(30 * time.Second); time.Now().Before(ends); {
		canary := exec.Command(filepath.Join(dir, coreCanary), "1")
		canary.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: coreUID, Gid: coreUID}}
		if err := canary.Run(); err != nil {
			t.Fatal(err)
		}
		out, _ := exec.Command(filepath.Join(dir, "discreet-agent"), "status", "--json", "--config", filepath.Join(dir, "agent.yaml")).Output()
		if strings.Contains(string(out), `"process_start"`) {
			return
		}
	}
	text, _ := os.ReadFile(agent.log)
	t.Fatalf("the agent saw no process:\n%s", text)
}
