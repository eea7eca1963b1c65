package spool

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFullDisk fills a small real file system that somebody else fills too. What
// was durable stays; once there is room the spool goes on, and says what it lost.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts a small tmpfs")
	}
	mnt := t.TempDir()
	if err := syscall.Mount("tmpfs", mnt, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("mounting a tmpfs is not allowed here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(mnt, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	checkFullDisk(t, mnt)
}

func checkFullDisk(t *testing.T, mnt string) {
	s := mustOpen(t, Options{Dir: filepath.Join(mnt, "spool"), SegmentBytes: 64 << 10, MaxBytes: 64 << 20})
	rec := recordOf(39)
	durable := 0
	for range 50 {
		s.mustAppend(t, stampA, string(rec))
		durable++
	}
	mustSync(t, s)
	hog := filepath.Join(mnt, "hog")
	fill(t, hog)
	refused := 0
	for range 5000 {
		if err := s.append(stampA, rec); err != nil {
			if !errors.Is(err, ErrFull) {
				t.Fatalf("append on a full disk = %v; want ErrFull", err)
			}
			refused++
		}
	}
	if err := s.Sync(); err == nil {
		t.Error("Sync on a full disk = nil; want an error")
	}
	if refused == 0 {
		t.Error("a full disk refused nothing; the test proves nothing")
	}
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	s.mustAppend(t, stampA, "after")
	mustSync(t, s)
	records, lost, last := 0, uint64(0), ""
	for _, it := range drain(t, s, 100, 1<<20) {
		if it.Gap != nil {
			lost += it.Gap.Count
			continue
		}
		records += len(it.Records)
		last = string(it.Records[len(it.Records)-1])
	}
	if records < durable || last != "after" || lost < uint64(refused) {
		t.Errorf("%d records, last %.20q, %d told as lost; want at least %d, after, %d", records, last, lost, durable, refused)
	}
	t.Logf("%d records came through, %d were refused and told", records, refused)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// fill writes until the disk is full.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{64 << 10, 4 << 10, 1 << 10, 64} {
		b := make([]byte, size)
		for {
			if _, err := f.Write(b); err != nil {
				break
			}
		}
	}
}
