package privacy

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// vmFlags returns the flags of the mapping that holds mem, as smaps tells them:
// proc_pid_smaps(5).
func vmFlags(t *testing.T, mem []byte) []string {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at, inside := uintptr(unsafe.Pointer(&mem[0])), false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var from, to uintptr
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x ", &from, &to); n == 2 {
			inside = from <= at && at < to
		}
		if flags, ok := strings.CutPrefix(lines.Text(), "VmFlags:"); ok && inside {
			return strings.Fields(flags)
		}
	}
	t.Fatal("the mapping of the keys is not in smaps")
	return nil
}

// TestS09KeysAreLocked asks the kernel: the keys' pages are locked (lo), left out
// of core files (dd) and of children (dc). Ordinary memory has none of these.
func TestS09KeysAreLocked(t *testing.T) {
	p, err := NewPseudonyms("k1", goodSecret("a"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Unlocked() != nil {
		t.Fatalf("Unlocked() = %v; want locked: a limit of locked memory of 64 kB is enough", p.Unlocked())
	}
	s := secretOf(t, goodSecret("a"))
	for name, mem := range map[string][]byte{"keys": p.keys.mem, "secret": s.v.mem} {
		flags := " " + strings.Join(vmFlags(t, mem), " ") + " "
		for _, want := range []string{"lo", "dd", "dc"} {
			if !strings.Contains(flags, " "+want+" ") {
				t.Errorf("flags of the memory of %s =%s; want %s", name, flags, want)
			}
		}
	}
	heap := " " + strings.Join(vmFlags(t, make([]byte, 64<<10)), " ") + " "
	if strings.Contains(heap, " lo ") || strings.Contains(heap, " dd ") {
		t.Errorf("flags of ordinary memory =%s; want neither lo nor dd, or the test proves nothing", heap)
	}
	runtime.KeepAlive(p)
}

// TestS09RefusedLockIsTold takes the right and the limit away from one thread:
// there are keys all the same, and a reason.
func TestS09RefusedLockIsTold(t *testing.T) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 0, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_MEMLOCK, &was)
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&head, &caps[0]); err != nil {
		t.Fatal(err)
	}
	caps[0].Effective &^= 1 << unix.CAP_IPC_LOCK
	if err := unix.Capset(&head, &caps[0]); err != nil {
		t.Fatal(err)
	}
	p, err := NewPseudonyms("k1", goodSecret("a"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Unlocked() == nil {
		t.Errorf("Unlocked() without the right to lock = nil; want a reason")
	}
	if !PseudonymShape(p.make(purposeUser, "x")) {
		t.Errorf("no pseudonym without locked memory; want one")
	}
}
