package procfs

import (
	"net"
	"os"
	"slices"
	"testing"
)

// TestReaderFindsTheTest asks the real /proc about this very process.
func TestReaderFindsTheTest(t *testing.T) {
	r, self := NewReader(""), uint32(os.Getpid())
	pids, err := r.Pids()
	if err != nil || !slices.Contains(pids, self) {
		t.Errorf("Pids() = %d pids, %v; want them with %d", len(pids), err, self)
	}
	stat, err := r.Stat(self)
	if err != nil || stat.Parent != uint32(os.Getppid()) || stat.StartTicks == 0 || stat.RSSPages == 0 {
		t.Errorf("Stat(self) = %+v, %v; want parent %d, start and memory", stat, err, os.Getppid())
	}
	if uid, err := r.UID(self); err != nil || uid != uint32(os.Getuid()) {
		t.Errorf("UID(self) = %d, %v; want %d", uid, err, os.Getuid())
	}
	want, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Exe(self); err != nil || string(got) != want {
		t.Errorf("Exe(self) = %s, %v; want %s", got, err, want)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skipf("no listener on loopback: %v", err)
	}
	defer l.Close()
	sockets := 0
	if err := r.Sockets(self, func(uint32) bool { sockets++; return true }); err != nil || sockets == 0 {
		t.Errorf("Sockets(self) found %d, %v; want one at least", sockets, err)
	}
}

func TestReaderOfAnotherRoot(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(root+"/12", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/12/stat", []byte(statText), 0o644); err != nil {
		t.Fatal(err)
	}
	r := NewReader(root)
	if pids, err := r.Pids(); err != nil || !slices.Equal(pids, []uint32{12}) {
		t.Errorf("Pids() = %v, %v; want [12]", pids, err)
	}
	if s, err := r.Stat(12); err != nil || s.StartTicks != 987654 {
		t.Errorf("Stat(12) = %+v, %v; want the start of the file", s, err)
	}
	if _, err := r.Stat(13); !os.IsNotExist(err) {
		t.Errorf("Stat(13) = %v; want that it is not there", err)
	}
}
