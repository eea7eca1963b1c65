//go:build linux || darwin

package spool

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "spool")
	s := mustOpen(t, Options{Dir: dir})
	s.mustAppend(t, stampA, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("mode of %s = %v; want nothing for others", e.Name(), info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpenTightensItsFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, Options{Dir: dir})
	defer s.Close()
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode = %v, %v; want 0700", info.Mode(), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T, dir string)
		want string
	}{
		{"a link", func(t *testing.T, dir string) {
			if err := os.Symlink(t.TempDir(), dir); err != nil {
				t.Fatal(err)
			}
		}, "hint: "},
		{"a file", func(t *testing.T, dir string) {
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a directory"},
		{"another account's folder", func(t *testing.T, dir string) {
			if os.Geteuid() != 0 {
				t.Skip("needs root: gives a folder away")
			}
			if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, 12345, 12345)); err != nil {
				t.Fatal(err)
			}
		}, "hint: chown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "spool")
			tt.make(t, dir)
			s, err := Open(Options{Dir: dir})
			if err == nil {
				s.Close()
				t.Fatal("Open = nil; want an error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open = %v; want %q in it", err, tt.want)
			}
		})
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	s := mustOpen(t, o)
	if _, err := Open(o); !errors.Is(err, ErrLocked) {
		t.Errorf("second Open = %v; want ErrLocked", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, o)
	s.Close()
}

// TestPlantedFiles lays things into the folder that are no files of the spool
// under the names of its files. None is followed, read or waited for.
func TestPlantedFiles(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(
		os.Symlink(outside, filepath.Join(dir, segmentName(0))),
		syscall.Mkfifo(filepath.Join(dir, segmentName(1)), 0o600),
		os.Mkdir(filepath.Join(dir, segmentName(2)), 0o700),
		os.Symlink(outside, filepath.Join(dir, cursorNames[0])),
		syscall.Mkfifo(filepath.Join(dir, cursorNames[1]), 0o600),
		os.Symlink(outside, filepath.Join(dir, markName)),
		os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("x"), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := mustOpen(t, Options{Dir: dir})
		s.mustAppend(t, stampA, "a")
		mustSync(t, s)
		items := drain(t, s, 10, 100)
		if len(items) == 0 || s.Ack(items[len(items)-1].Epoch, items[len(items)-1].First) != nil {
			t.Errorf("Next = %s; want the record", show(items))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(outside); string(b) != "secret" {
		t.Errorf("the file outside = %q, %v; want it untouched", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "notes.txt")); string(b) != "x" {
		t.Errorf("a foreign file = %q, %v; want it untouched", b, err)
	}
}
