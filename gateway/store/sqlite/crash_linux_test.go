package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// TestFullDisk fills a small file system. What is refused must not be
// acknowledged, and once there is room again all goes on.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs needs root, see mount(2)")
	}
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=2m,mode=0700"); err != nil {
		t.Skipf("mount a small tmpfs: %v, see mount(2)", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(small, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	s := open(t, filepath.Join(small, "store"), Options{})
	ballast := filepath.Join(small, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, ep := context.Background(), gateway.Epoch{1}
	batch := make([]*eventv1.Event, 50)
	for i := range batch {
		batch[i] = event("markx", strings.Repeat("d", 200), 0)
	}
	var acked uint64
	var err error
	for err == nil {
		if err = s.Append(ctx, "dev", ep, acked+1, batch); err == nil {
			acked += uint64(len(batch))
		}
	}
	if acked == 0 || !strings.Contains(err.Error(), "full") && !strings.Contains(err.Error(), "I/O") {
		t.Fatalf("Append() on a full disk = %v after %d; want some stored, then that the disk is full", err, acked)
	}
	if got, err := s.Acked(ctx, "dev", ep); err != nil || got != acked {
		t.Errorf("Acked() = %d, %v; want %d", got, err, acked)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(ctx, "dev", ep, acked+1, batch); err != nil {
		t.Fatalf("Append() with room again = %v; want nil", err)
	}
	tot, err := s.Totals(ctx)
	if err != nil || tot.Events != int64(acked)+50 || tot.Skipped != 0 {
		t.Errorf("Totals() = %+v, %v; want %d events, none skipped", tot, err, acked+50)
	}
}

const childDir = "DISCREET_TEST_STORE"

// TestAppendForever is the process that TestKilled kills. It says each number
// that was acknowledged to it.
func TestAppendForever(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("runs only as the child of TestKilled")
	}
	s := open(t, dir, Options{})
	ctx := context.Background()
	from, err := s.Acked(ctx, "dev", gateway.Epoch{1})
	// A run of which the kill left a part is sent again whole, as a spool does.
	for n := from - from%3; err == nil; n += 3 {
		err = s.Append(ctx, "dev", gateway.Epoch{1}, n+1, run(n+1))
		fmt.Println("acked", n+3)
	}
	t.Fatal(err)
}

// run returns three events from number n on, on two days.
func run(n uint64) []*eventv1.Event {
	return []*eventv1.Event{event("a", "", int(n%2)), event("b", "", 1), event("a", "", 0)}
}

// TestKilled kills a process that appends, again and again, while this one has
// the store open and deletes people. No acknowledged number may be missing, none
// twice.
func TestKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir, Options{})
	ctx := context.Background()
	var acked uint64
	for round := range 6 {
		acked = max(acked, killed(t, dir, 20+7*round))
		got, err := s.Acked(ctx, "dev", gateway.Epoch{1})
		if err != nil || got < acked {
			t.Fatalf("Acked() after the kill = %d, %v; want at least %d", got, err, acked)
		}
		if round == 3 {
			if _, err := s.Delete(ctx, subjects(t, s, gateway.Query{Kind: gateway.Person, Names: []string{"b-name"}})); err != nil {
				t.Fatalf("Delete() = %v; want nil", err)
			}
		}
	}
	tot, err := s.Totals(ctx)
	if err != nil || tot.Duplicates != 0 {
		t.Errorf("Totals() = %+v, %v; want no duplicates", tot, err)
	}
	// Every number of a is there once. The last run may be there in part.
	seen := map[uint64]int{}
	for st, err := range s.Events(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		seen[st.Seq]++
	}
	lost := 0
	for n := uint64(1); n <= acked; n++ {
		if n%3 != 2 && seen[n] != 1 {
			lost++
			t.Errorf("record %d stands %d times; want once", n, seen[n])
		}
	}
	t.Logf("%d acknowledged over 6 kills, %d lost, %d duplicates, %d sent again and skipped", acked, lost, tot.Duplicates, tot.Skipped)
}

// killed starts the child, kills it after so many acknowledgements, and returns
// the last number that it had heard.
func killed(t *testing.T, dir string, acks int) (last uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAppendForever$", "-test.count=1")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; n < acks && lines.Scan(); n++ {
		number, _ := strings.CutPrefix(lines.Text(), "acked ")
		if last, err = strconv.ParseUint(number, 10, 64); err != nil {
			t.Errorf("the child says %q; want a number", lines.Text())
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	for lines.Scan() { // what it had said before it died
		if number, ok := strings.CutPrefix(lines.Text(), "acked "); ok {
			if n, err := strconv.ParseUint(number, 10, 64); err == nil {
				last = n
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Errorf("the child ended with %v; want it killed", err)
	}
	return last
}
