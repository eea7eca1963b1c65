package privacy

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestKillUnreadableKeyFile: a file that opens and does not read is told so.
func TestKillUnreadableKeyFile(t *testing.T) {
	if _, err := ReadSecret("/proc/self/mem"); err == nil || !strings.HasPrefix(err.Error(), "read pseudonym key file: ") {
		t.Errorf("ReadSecret of memory that is not mapped: %v; want that it cannot be read", err)
	}
}

// TestKillKeyOwners: root's key is taken by each account, its own by its owner,
// and no other's.
func TestKillKeyOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("not root, who alone can be another account")
		}
		t.Skip("not root, who alone can be another account")
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, goodSecret("file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		owner, account int
		ok             bool
	}{{0, 0, true}, {1, 0, false}, {1000, 0, false}, {0, 1000, true}, {1000, 1000, true}, {1, 1000, false}, {1001, 1000, false}} {
		if err := os.Chown(path, row.owner, -1); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan error)
		go func() {
			runtime.LockOSThread() // the thread ends with this function, and its account with it
			_, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, uintptr(row.account), uintptr(row.account), uintptr(row.account))
			if errno != 0 {
				t.Errorf("become account %d: %v", row.account, errno)
			}
			got <- checkKeyOwner(path, info)
		}()
		if err := <-got; (err == nil) != row.ok {
			t.Errorf("account %d, key of %d: %v; want success: %t", row.account, row.owner, err, row.ok)
		}
	}
}

// TestKillPublicModes: only who can change a public key matters.
func TestKillPublicModes(t *testing.T) {
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o755: true, 0o620: false, 0o602: false} {
		if err := checkPublicMode("officer.pub", mode); (err == nil) != ok {
			t.Errorf("checkPublicMode(%04o) = %v; want success: %t", mode, err, ok)
		}
	}
}
