//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/discreet-agent/discreet/cmd/lab"
)

// canaryUser is an account that no text may name.
type canaryUser struct {
	name string
	cred *syscall.Credential
	tool string // a real program in its home, named after it
}

const (
	canaryName = "zz-canary-7f3a"
	canaryUID  = 48322
)

// canary makes the account with a home and a program, and takes both away at the
// end.
func canary(t *testing.T) canaryUser {
	t.Helper()
	home := "/home/" + canaryName
	out, err := exec.Command("useradd", "--uid", "48322", "--create-home", "--home-dir", home, "--comment", "Zoe Zz-Canary", canaryName).CombinedOutput()
	if err != nil {
		t.Fatalf("make the account: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("userdel", "--remove", canaryName).CombinedOutput(); err != nil {
			t.Logf("remove the account: %v: %s", err, out)
		}
	})
	tool := filepath.Join(home, "bin", canaryName+"-tool")
	if err := os.MkdirAll(filepath.Dir(tool), 0o755); err != nil {
		t.Fatal(err)
	}
	sleep, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tool, sleep, 0o755); err != nil {
		t.Fatal(err)
	}
	return canaryUser{canaryName, &syscall.Credential{Uid: canaryUID, Gid: canaryUID}, tool}
}

// run starts the canary's own program n times.
func (c canaryUser) run(t *testing.T, n int) {
	t.Helper()
	for range n {
		cmd := exec.Command(c.tool, "0.05")
		cmd.Dir = "/"
		cmd.Env = []string{"ZZ_CANARY=" + c.name}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred}
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
	}
}

// search looks for the canary in everything that both programs wrote. The
// control file proves that the search can find it.
func (c canaryUser) search(t *testing.T, l *lab.Lab) {
	t.Helper()
	control := t.TempDir()
	if err := os.WriteFile(filepath.Join(control, "control"), []byte("user="+c.name), 0o600); err != nil {
		t.Fatal(err)
	}
	names := []string{c.name, "Zz-Canary", "Zoe Zz"}
	if hits, err := lab.Scan(names[:1], control); err != nil || len(hits) != 1 {
		t.Fatalf("the search does not find the control: %d hits, %v", len(hits), err)
	}
	hits, err := lab.Scan(names, l.Path("agent"), l.Path("gateway"), l.Path("run"))
	if err != nil {
		t.Fatal(err)
	}
	for _, log := range []string{"agent.log", "gateway.log"} {
		dir := t.TempDir()
		b, err := os.ReadFile(l.Path(log))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, log), b, 0o600); err != nil {
			t.Fatal(err)
		}
		more, err := lab.Scan(names, dir)
		if err != nil {
			t.Fatal(err)
		}
		hits = append(hits, more...)
	}
	for _, h := range hits {
		t.Errorf("the canary was found in %s", h.File)
	}
}
