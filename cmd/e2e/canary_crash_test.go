//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/cmd/lab"
)

// TestS08CrashLeavesNothing crashes an agent that has the canaries in memory, at
// the laxest levels and as the most talkative Go program would, in a folder in which
// another program leaves a core: no core, and no canary in what it says or leaves
// outside of the spool.
func TestS08CrashLeavesNothing(t *testing.T) {
	withOwnMounts(t, func(t *testing.T) {
		s := newSpy(t, "zz", 48403)
		w := newTown(t, s)
		if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}); err != nil {
			t.Fatalf("allow cores: %v", err)
		}
		t.Setenv("GOTRACEBACK", "crash")
		bin, err := filepath.Abs("../../bin")
		if err != nil {
			t.Fatal(err)
		}
		here := t.TempDir()
		t.Chdir(here)
		for _, sig := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGQUIT} {
			t.Run(sig.String(), func(t *testing.T) { crash(t, s, w, here, bin, sig) })
		}
		provesCores(t, here)
	})
}

// crash runs an agent until the canary's program is in its spool, and ends it with
// a signal.
func crash(t *testing.T, s spy, w *town, here, bin string, sig syscall.Signal) {
	l := crashLab(t, bin)
	startGateway(t, l)
	ag := startAgent(t, l)
	pid := ag.Cmd.Process.Pid
	connected(t, l)
	s.run(t, w.port)
	until(t, l, 30*time.Second, "the canary's program in the spool", func() bool { return inSpool(t, l) >= 1 })
	read, hits := memory(t, pid, s.words())
	found := 0
	for _, n := range hits {
		found += n
	}
	if found == 0 {
		t.Fatal("no canary is in the agent's memory: the test proves nothing")
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), "Max core file size 0 0 ") {
		t.Errorf("the limits of the agent are %s, %v; want no core", limits, err)
	}
	if err := ag.Cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	until(t, l, 20*time.Second, "the crash", func() bool { return !ag.Running() })
	if st, ok := ag.Cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || st.CoreDump() || ag.Cmd.ProcessState.Success() {
		t.Errorf("the agent ended as %v; want a crash without a core", ag.Cmd.ProcessState)
	}
	if n := cores(t, here); n != 0 {
		t.Errorf("%d files lie in its folder after the crash; want no core", n)
	}
	said, err := os.ReadFile(l.Path("agent.log"))
	if err != nil || !strings.Contains(string(said), "goroutine ") {
		t.Errorf("the crash printed no trace (%v): the test proves nothing", err)
	}
	search := lab.NewSearcher(s.words()...)
	bad := search.In("what the crash printed", said)
	rest, files, err := search.Files(l.Path("run"), l.Path("agent"))
	if err != nil {
		t.Fatal(err)
	}
	inSpool := 0
	for _, h := range append(bad, rest...) {
		if strings.HasPrefix(h.File, l.Path("agent/spool")+"/") {
			inSpool++ // events at the laxest levels
			continue
		}
		t.Errorf("%s holds a canary as %s after the crash", h.File, h.Form)
	}
	t.Logf("%s: %d words in %.1f MiB of memory before; after it 0 cores, %d bytes of trace, %d files, 0 words outside of the spool (in it %d, as the laxest levels allow)",
		sig, found, float64(read)/(1<<20), len(said), files, inSpool)
}

// crashLab makes a lab although the working folder is another one.
func crashLab(t *testing.T, bin string) *lab.Lab {
	t.Helper()
	l, err := lab.New(t.TempDir(), bin)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Setup(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if err := l.Write("agent.yaml", l.AgentYAML()+"log: {level: debug}\nsummary: {flush: 1s}\nprivacy: {"+laxest()+"}\n"); err != nil {
		t.Fatal(err)
	}
	return l
}

// provesCores crashes a program that is not ours in the same folder: it must leave
// a core there, where this system writes cores to files.
func provesCores(t *testing.T, here string) {
	t.Helper()
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(string(pattern), "|/@") {
		t.Logf("this system does not write cores to the working folder (%s): its limits were read instead", strings.TrimSpace(string(pattern)))
		return
	}
	cmd := exec.Command("/bin/sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Signal(syscall.SIGSEGV)
	_ = cmd.Wait()
	if n := cores(t, here); n != 1 {
		t.Errorf("another program leaves %d cores; want 1: the test proves nothing", n)
	}
}

// cores counts the files in a folder.
func cores(t *testing.T, dir string) int {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
