package main

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// program builds a small program for Windows.
func program(t *testing.T, arch string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() { println(\"hello\") }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "hello.exe")
	c := exec.Command("go", "build", "-ldflags", "-s -w", "-o", file, filepath.Join(dir, "main.go"))
	c.Env = append(os.Environ(), "GOOS=windows", "GOARCH="+arch, "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return file
}

func TestEdit(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			file := program(t, arch)
			before, _ := os.ReadFile(file)
			if err := edit(file, version{"1.2.3", "Hello there", "hello.exe"}); err != nil {
				t.Fatal(err)
			}
			data, _ := os.ReadFile(file)
			f, err := pe.NewFile(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			section := f.Section(".rsrc")
			if section == nil {
				t.Fatal("no section .rsrc")
			}
			head := f.OptionalHeader.(*pe.OptionalHeader64)
			dir := head.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_RESOURCE]
			if dir.VirtualAddress != section.VirtualAddress || dir.Size != section.VirtualSize || head.SizeOfImage < section.VirtualAddress+section.VirtualSize {
				t.Errorf("directory %+v, section %+v, image %d", dir, section.SectionHeader, head.SizeOfImage)
			}
			for _, s := range f.Sections[:len(f.Sections)-1] {
				old, _ := pe.NewFile(bytes.NewReader(before))
				want, _ := old.Section(s.Name).Data()
				if got, _ := s.Data(); !bytes.Equal(got, want) {
					t.Errorf("section %s has changed", s.Name)
				}
				if s.VirtualAddress+s.VirtualSize > section.VirtualAddress {
					t.Errorf("section %s lies over the new one", s.Name)
				}
			}
			rsrc, err := section.Data()
			if err != nil {
				t.Fatal(err)
			}
			if got := leafOf(t, rsrc, section.VirtualAddress, typeManifest); string(got) != manifest {
				t.Errorf("manifest = %q", got)
			}
			info := leafOf(t, rsrc, section.VirtualAddress, typeVersion)
			if got := binary.LittleEndian.Uint16(info); int(got) != len(info) {
				t.Errorf("version's length = %d; want %d", got, len(info))
			}
			for _, want := range []string{"VS_VERSION_INFO", "ProductVersion", "1.2.3", "Hello there"} {
				if !bytes.Contains(info, wide(want)) {
					t.Errorf("version holds no %q", want)
				}
			}
			if err := edit(file, version{"1.2.3", "Hello there", "hello.exe"}); err == nil || !strings.Contains(err.Error(), "already") {
				t.Errorf("edit() again = %v; want a refusal", err)
			}
		})
	}
}

// leafOf walks the tree of resources as Windows does.
func leafOf(t *testing.T, rsrc []byte, address uint32, kind uint32) []byte {
	t.Helper()
	le := binary.LittleEndian
	at := uint32(0)
	for level := range 3 {
		rows := int(le.Uint16(rsrc[at+12:])) + int(le.Uint16(rsrc[at+14:]))
		next := uint32(0)
		for i := range rows {
			row := at + 16 + 8*uint32(i)
			if id := le.Uint32(rsrc[row:]); level > 0 || id == kind {
				next = le.Uint32(rsrc[row+4:])
			}
		}
		if below := next>>31 == 1; next == 0 || below != (level < 2) {
			t.Fatalf("level %d leads to %#x", level, next)
		}
		at = next &^ (1 << 31)
	}
	start, size := le.Uint32(rsrc[at:])-address, le.Uint32(rsrc[at+4:])
	return rsrc[start : start+size]
}

func TestVersion(t *testing.T) {
	for _, c := range []struct {
		number string
		want   [3]uint16
		ok     bool
	}{
		{"1.2.3", [3]uint16{1, 2, 3}, true},
		{"0.0.65535", [3]uint16{0, 0, 65535}, true},
		{"0.0.65536", [3]uint16{}, false},
		{"1.2", [3]uint16{}, false},
		{"v1.2.3", [3]uint16{}, false},
		{"", [3]uint16{}, false},
	} {
		got, err := version{number: c.number}.parts()
		if (err == nil) != c.ok || c.ok && got != c.want {
			t.Errorf("parts(%q) = %v, %v; want %v", c.number, got, err, c.want)
		}
	}
}

func TestWide(t *testing.T) {
	b := wide("aé")
	units := []uint16{binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])}
	if got := string(utf16.Decode(units)); got != "aé" || len(b) != 6 {
		t.Errorf("wide(aé) = % x; want it in UTF-16 with its end", b)
	}
}

// FuzzAppend: what is no program is refused, and nothing makes it panic.
func FuzzAppend(f *testing.F) {
	f.Add([]byte("MZ"))
	f.Add(append(append([]byte("MZ"), make([]byte, 58)...), 64, 0, 0, 0, 'P', 'E', 0, 0, 0x64, 0x86))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := appendResources(data, []resource{{typeManifest, []byte(manifest)}})
		if err == nil && len(out) <= len(data) {
			t.Errorf("appendResources() gave %d bytes of %d", len(out), len(data))
		}
	})
}
