package durable

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteFile(t *testing.T) {
	for _, tt := range []struct {
		name string
		old  []byte // nil: no file before
		new  []byte
		perm fs.FileMode
	}{
		{"first", nil, []byte("a"), 0o600},
		{"replaces a longer one", []byte("long, long"), []byte("b"), 0o600},
		{"empty", []byte("x"), nil, 0o600},
		{"readable by others", nil, []byte("c"), 0o644},
		{"read only", []byte("x"), []byte("d"), 0o400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			if tt.old != nil {
				if err := os.WriteFile(path, tt.old, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := WriteFile(path, tt.new, tt.perm); err != nil {
				t.Fatalf("WriteFile(%q) = %v; want nil", tt.new, err)
			}
			got, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, tt.new) {
				t.Errorf("ReadFile = %q, %v; want %q", got, err, tt.new)
			}
			checkMode(t, path, tt.perm)
			checkOnly(t, filepath.Dir(path), "f")
		})
	}
}

func TestWriteFileReplacesALink(t *testing.T) {
	dir := t.TempDir()
	secret, link := filepath.Join(dir, "secret"), filepath.Join(dir, "link")
	if err := os.WriteFile(secret, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	if err := WriteFile(link, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(secret); string(got) != "keep" {
		t.Errorf("the file behind the link = %q; want %q", got, "keep")
	}
}

func TestWriteFileErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "taken", "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, path string }{
		{"no such directory", filepath.Join(dir, "none", "f")},
		{"a directory is in the way", filepath.Join(dir, "taken")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := WriteFile(tt.path, []byte("x"), 0o600); err == nil {
				t.Errorf("WriteFile(%q) = nil; want an error", tt.name)
			}
			checkOnly(t, dir, "taken")
		})
	}
}

func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		ok         bool
	}{
		{"one", filepath.Join(dir, "a"), true},
		{"again", filepath.Join(dir, "a"), true},
		{"deep", filepath.Join(dir, "b", "c", "d"), true},
		{"unclean", filepath.Join(dir, "b") + "/./e/", true},
		{"a file is there", file, false},
		{"below a file", filepath.Join(file, "x"), false},
		{"root", string(filepath.Separator), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := MkdirAll(tt.path, 0o700); (err == nil) != tt.ok {
				t.Fatalf("MkdirAll(%s) = %v; want ok = %v", tt.name, err, tt.ok)
			}
			if info, err := os.Stat(tt.path); tt.ok && (err != nil || !info.IsDir()) {
				t.Errorf("Stat after MkdirAll(%s) = %v; want a directory", tt.name, err)
			}
		})
	}
	checkMode(t, filepath.Join(dir, "b", "c"), 0o700|fs.ModeDir)
}

func checkOnly(t *testing.T, dir, want string) {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 || names[0].Name() != want {
		t.Errorf("files left in the directory = %v, %v; want only %s", names, err, want)
	}
}
