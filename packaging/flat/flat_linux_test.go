package main

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"debug/macho"
	"encoding/binary"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tool skips where a program is not here, and fails where all must be (CI=true).
func tool(t *testing.T, name string) string {
	t.Helper()
	file, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing; hint: make deps", name)
		}
		t.Skipf("%s is not here; hint: make deps", name)
	}
	return file
}

func write(t *testing.T, file, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

// staged makes a root and a folder of scripts; many files need several leaves.
func staged(t *testing.T, many int) (root, scripts string) {
	root, scripts = filepath.Join(t.TempDir(), "root"), filepath.Join(t.TempDir(), "scripts")
	write(t, filepath.Join(root, "Library/Application Support/Discreet/bin/agent"), "program", 0o755)
	write(t, filepath.Join(root, "Library/Application Support/Discreet/empty"), "", 0o600)
	write(t, filepath.Join(root, "Applications/Ä & <b>.app/Contents/Info.plist"), "<plist/>", 0o644)
	if err := os.Symlink("bin/agent", filepath.Join(root, "Library/Application Support/Discreet/current")); err != nil {
		t.Fatal(err)
	}
	for i := range many {
		write(t, filepath.Join(root, fmt.Sprintf("Library/many/%05d", i)), strings.Repeat("x", i), 0o640)
	}
	write(t, filepath.Join(scripts, "preinstall"), "#!/bin/sh\n", 0o755)
	write(t, filepath.Join(scripts, "postinstall"), "#!/bin/sh\nexit 0\n", 0o755)
	return root, scripts
}

// built runs the command and reads what it wrote.
func built(t *testing.T, root, scripts string, more ...string) (string, []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.pkg")
	args := append([]string{"package", "-o", file, "-id", "org.example.a", "-version", "1.2.3", "-title", "A & B", "-root", root, "-scripts", scripts, "-time", "1790000000"}, more...)
	if err := run(args); err != nil {
		t.Fatalf("run(%q) = %v; want nil", args, err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return file, b
}

// TestPackage holds a package against four readers: 7z, our own, GNU cpio, and the
// bill against what cpio laid down.
func TestPackage(t *testing.T) {
	for _, many := range []int{0, 255, 700} {
		t.Run(fmt.Sprint(many), func(t *testing.T) {
			root, scripts := staged(t, many)
			file, b := built(t, root, scripts)
			if _, again := built(t, root, scripts); !bytes.Equal(b, again) {
				t.Error("the same input gives other bytes")
			}
			out, err := exec.Command(tool(t, "7z"), "t", file).CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("Everything is Ok")) || !bytes.Contains(out, []byte("Type = Xar")) {
				t.Errorf("7z t = %v\n%s", err, out)
			}
			p, err := readXar(b)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"Distribution", part + "/Bom", part + "/PackageInfo", part + "/Payload", part + "/Scripts"}
			if got := slices.Sorted(maps.Keys(p.files)); !slices.Equal(got, want) || !slices.Equal(p.folders, []string{part}) {
				t.Errorf("the package holds %q in %q; want %q", got, p.folders, want)
			}
			for _, name := range []string{"Distribution", part + "/PackageInfo"} {
				if err := xml.Unmarshal(p.files[name], new(struct{ XMLName xml.Name })); err != nil {
					t.Errorf("%s is not XML: %v", name, err)
				}
			}
			comparePayload(t, p, root)
			got := unpack(t, p.files[part+"/Scripts"])
			if text, err := os.ReadFile(filepath.Join(got, "postinstall")); err != nil || string(text) != "#!/bin/sh\nexit 0\n" {
				t.Errorf("postinstall = %q, %v; want the script", text, err)
			}
		})
	}
}

// unpack lets GNU cpio lay an archive down.
func unpack(t *testing.T, packed []byte) string {
	t.Helper()
	plain, err := gunzip(packed)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(tool(t, "cpio"), "-idm", "--quiet", "--no-absolute-filenames")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(plain)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cpio = %v\n%s", err, out)
	}
	return dir
}

// comparePayload compares what cpio laid down with what was staged and with what
// the bill says: names, types, rights, contents.
func comparePayload(t *testing.T, p *readPackage, root string) {
	t.Helper()
	paths, err := readBill(p.files[part+"/Bom"])
	if err != nil {
		t.Fatal(err)
	}
	got := unpack(t, p.files[part+"/Payload"])
	seen := 0
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, file)
		name := "."
		if rel != "." {
			name = "./" + rel
		}
		seen++
		e, ok := paths[name]
		a, err1 := os.Lstat(file)
		b, err2 := os.Lstat(filepath.Join(got, rel))
		if !ok || err1 != nil || err2 != nil {
			t.Errorf("%s: in the bill %v, staged %v, laid down %v", name, ok, err1, err2)
			return nil
		}
		if a.Mode() != b.Mode() && name != "./Applications" && a.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s: mode %v; want %v", name, b.Mode(), a.Mode())
		}
		if mode := b.Sys().(*syscall.Stat_t).Mode; a.Mode()&fs.ModeSymlink == 0 && uint32(e.mode) != mode {
			t.Errorf("%s: mode %o in the bill; want %o", name, e.mode, mode)
		}
		compareEntry(t, name, e, file, filepath.Join(got, rel), a)
		return nil
	})
	if err != nil || seen != len(paths) {
		t.Errorf("%d paths staged, %d in the bill, %v", seen, len(paths), err)
	}
}

func compareEntry(t *testing.T, name string, e billed, staged, laid string, info fs.FileInfo) {
	t.Helper()
	group := map[string]uint32{"./Applications": 80, "./Library/Application Support": 80}[name]
	if e.uid != 0 || e.gid != group || e.architecture != 15 || e.time != 1790000000 {
		t.Errorf("%s: the bill says owner %d:%d, architecture %d, time %d; want 0:%d, 15, 1790000000", name, e.uid, e.gid, e.architecture, e.time, group)
	}
	switch {
	case info.IsDir():
		if e.kind != 2 {
			t.Errorf("%s: kind %d; want a folder", name, e.kind)
		}
	case info.Mode()&fs.ModeSymlink != 0:
		a, _ := os.Readlink(staged)
		b, _ := os.Readlink(laid)
		if a != b || a != e.link || e.kind != 3 {
			t.Errorf("%s: leads to %q, in the bill %q; want %q", name, b, e.link, a)
		}
	default:
		a, _ := os.ReadFile(staged)
		b, err := os.ReadFile(laid)
		if err != nil || !bytes.Equal(a, b) || e.kind != 1 || int(e.size) != len(a) {
			t.Errorf("%s: %d bytes laid down, %d in the bill, %v; want %d", name, len(b), e.size, err, len(a))
		}
		out, err := exec.Command("cksum", staged).Output() // POSIX says how
		if sum, _, _ := strings.Cut(string(out), " "); err != nil || sum != fmt.Sprint(e.sum) {
			t.Errorf("%s: checksum %d in the bill; cksum says %s, %v", name, e.sum, sum, err)
		}
	}
}

// TestDamageIsSeen: the readers above notice one changed byte anywhere in the heap.
func TestDamageIsSeen(t *testing.T) {
	root, scripts := staged(t, 3)
	_, b := built(t, root, scripts)
	for at := 0; at < len(b); at += 7 {
		changed := slices.Clone(b)
		changed[at] ^= 0x40
		if _, err := readXar(changed); err == nil {
			t.Errorf("byte %d of %d changed: readXar() = nil; want an error", at, len(b))
		}
	}
}

// TestSigned verifies the signature over the table's checksum with the certificate
// that the package carries; the same key gives the same bytes.
func TestSigned(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Installer"}, NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	keyFile, certFile := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), 0o600)
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})), 0o644)
	root, scripts := staged(t, 0)
	file, b := built(t, root, scripts, "-key", keyFile, "-cert", certFile)
	if _, again := built(t, root, scripts, "-key", keyFile, "-cert", certFile); !bytes.Equal(b, again) {
		t.Error("the same key gives other bytes")
	}
	if out, err := exec.Command(tool(t, "7z"), "t", file).CombinedOutput(); err != nil {
		t.Errorf("7z t = %v\n%s", err, out)
	}
	p, err := readXar(b)
	if err != nil || len(p.certs) != 1 || !bytes.Equal(p.certs[0], raw) {
		t.Fatalf("readXar() = %d certificates, %v; want the one of the signer", len(p.certs), err)
	}
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA1, p.tocSum, p.signature); err != nil {
		t.Errorf("the signature: %v", err)
	}
	p.tocSum[0] ^= 1
	if rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA1, p.tocSum, p.signature) == nil {
		t.Error("another table has the same signature")
	}
}

// mach makes the header of a program without anything in it.
func mach(cpu macho.Cpu, size int) []byte {
	b := make([]byte, 0, size)
	for _, v := range []uint32{macho.Magic64, uint32(cpu), 3, uint32(macho.TypeExec), 0, 0, 0, 0} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, make([]byte, size-len(b))...)
}

func TestUniversal(t *testing.T) {
	a, b := mach(macho.CpuAmd64, 40000), mach(macho.CpuArm64, 33000)
	out, err := universal([][]byte{a, b})
	if err != nil {
		t.Fatal(err)
	}
	f, err := macho.NewFatFile(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		cpu  macho.Cpu
		data []byte
	}{{macho.CpuAmd64, a}, {macho.CpuArm64, b}} {
		got := f.Arches[i]
		if got.Cpu != want.cpu || got.Offset%16384 != 0 || !bytes.Equal(out[got.Offset:got.Offset+got.Size], want.data) {
			t.Errorf("slice %d: %v at %d; want %v, on a page of its own, unchanged", i, got.Cpu, got.Offset, want.cpu)
		}
	}
	for name, bad := range map[string][][]byte{"one": {a}, "the same twice": {a, a}, "no program": {a, []byte("#!/bin/sh\nexit 0\n")}, "empty": {a, nil}} {
		if _, err := universal(bad); err == nil {
			t.Errorf("universal of %s = nil; want an error", name)
		}
	}
}

func TestRefused(t *testing.T) {
	root, scripts := staged(t, 0)
	write(t, filepath.Join(scripts, "postinstall"), "x", 0o644)
	for name, args := range map[string][]string{
		"nothing":              {},
		"no root":              {"package", "-o", "x", "-id", "a", "-version", "1", "-scripts", scripts},
		"script not to be run": {"package", "-o", filepath.Join(t.TempDir(), "x"), "-id", "a", "-version", "1", "-root", root, "-scripts", scripts},
		"key without cert":     {"package", "-o", "x", "-id", "a", "-version", "1", "-root", root, "-scripts", scripts, "-key", "none"},
	} {
		if err := run(args); err == nil {
			t.Errorf("%s: run(%q) = nil; want an error", name, args)
		}
	}
}
