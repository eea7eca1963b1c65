//go:build unix

package privacy

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReadKeyFileModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, goodSecret("file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o620: false, 0o644: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := ReadKeyFile(path, "k1")
		if (err == nil) != ok {
			t.Errorf("ReadKeyFile at mode %04o = %v; want success: %t", mode, err, ok)
		}
		if err != nil && !strings.Contains(err.Error(), "hint: chmod 0600") {
			t.Errorf("ReadKeyFile at mode %04o: %q; want the way out", mode, err)
		}
	}
}

// TestReadKeyFileTakesFilesOnly must not wait for the writer of the pipe.
func TestReadKeyFileTakesFilesOnly(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, os.DevNull} {
		if _, err := ReadKeyFile(path, "k1"); err == nil || !strings.Contains(err.Error(), "regular") {
			t.Errorf("ReadKeyFile(%s) = %v; want that it is not a regular file", path, err)
		}
	}
}

// TestS28KeyFilesOfOthers: a link and a file of another account are refused.
func TestS28KeyFilesOfOthers(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, goodSecret("file"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(key, link); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKeyFile(link, "k1"); err == nil || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("ReadKeyFile(link) = %v; want a refusal with a way out", err)
	}
	if _, err := ReadKeyFile(key, "k1"); err != nil {
		t.Errorf("ReadKeyFile of the file itself = %v; want nil", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: to give the file to another account")
	}
	if err := os.Chown(key, 48335, 48335); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKeyFile(key, "k1"); err == nil || !strings.Contains(err.Error(), "hint: chown") {
		t.Errorf("ReadKeyFile of another account's file = %v; want a refusal with a way out", err)
	}
}
