package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// aDeb returns a deb with this control file and no other content.
func aDeb(t testing.TB, control string) []byte {
	t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "./control", Mode: 0o644, Size: int64(len(control))}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, control); err != nil {
		t.Fatal(err)
	}
	w.Close()
	z.Close()
	out := bytes.NewBufferString("!<arch>\n")
	for _, m := range []struct {
		name string
		body []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", packed.Bytes()}} {
		fmt.Fprintf(out, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", m.name, 0, 0, 0, 0o644, len(m.body))
		out.Write(m.body)
		if len(m.body)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// aHeader returns a header of an rpm. A value is a string, strings or numbers.
func aHeader(tags map[uint32]any) []byte {
	var index, store []byte
	for tag := range uint32(1200) {
		v, ok := tags[tag]
		if !ok {
			continue
		}
		kind, count, body := uint32(6), uint32(1), []byte{}
		switch v := v.(type) {
		case string:
			body = append([]byte(v), 0)
		case []string:
			kind, count = 8, uint32(len(v))
			for _, s := range v {
				body = append(append(body, s...), 0)
			}
		case []uint32:
			kind, count = 4, uint32(len(v))
			for _, n := range v {
				body = binary.BigEndian.AppendUint32(body, n)
			}
		}
		for _, n := range []uint32{tag, kind, uint32(len(store)), count} {
			index = binary.BigEndian.AppendUint32(index, n)
		}
		store = append(store, body...)
	}
	b := []byte{0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0}
	b = binary.BigEndian.AppendUint32(b, uint32(len(index)/16))
	b = binary.BigEndian.AppendUint32(b, uint32(len(store)))
	return append(append(b, index...), store...)
}

// anRPM returns an rpm with the header, and nothing in its archive.
func anRPM(tags map[uint32]any) []byte {
	b := append([]byte{0xed, 0xab, 0xee, 0xdb}, make([]byte, leadSize-4)...)
	b = append(b, aHeader(map[uint32]any{sigPayload: []uint32{77}})...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return append(append(b, aHeader(tags)...), "archive"...)
}

func sample() map[uint32]any {
	return map[uint32]any{
		tagName: "agent", tagVersion: "1.2", tagRelease: "3", tagEpoch: []uint32{4}, tagArch: "x86_64", tagSummary: "s & t",
		provides.name: []string{"agent", "rpmlib(x)"}, provides.flags: []uint32{8, 8}, provides.version: []string{"4:1.2-3", "1"},
		requires.name: []string{"libc", "sh"}, requires.flags: []uint32{12, 0}, requires.version: []string{"2.36", ""},
		tagBases: []string{"agent", "README", "agent.yaml"}, tagDirs: []string{"/usr/bin/", "/usr/share/", "/etc/"}, tagDirOf: []uint32{0, 1, 2},
	}
}

func TestWrite(t *testing.T) {
	in, at := t.TempDir(), time.Unix(1790000000, 0).UTC()
	for name, b := range map[string][]byte{
		"a_1_amd64.deb": aDeb(t, "Package: a\nVersion: 1\nArchitecture: amd64\nDescription: one\n more\n"),
		"b_1_arm64.deb": aDeb(t, "Package: b\nVersion: 1\nArchitecture: arm64\n"),
		"agent.rpm":     anRPM(sample()),
	} {
		if err := os.WriteFile(filepath.Join(in, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var all [2]string
	for i := range all {
		out := t.TempDir()
		if err := write(in, out, at); err != nil {
			t.Fatalf("write() = %v; want nil", err)
		}
		err := filepath.WalkDir(out, func(file string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				b, readErr := os.ReadFile(file)
				all[i] += strings.TrimPrefix(file, out) + " " + sum(b) + "\n"
				err = readErr
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			checkApt(t, filepath.Join(out, "apt/dists/stable"))
			checkRPM(t, filepath.Join(out, "rpm"))
		}
	}
	if all[0] != all[1] || strings.Count(all[0], "\n") != 12 {
		t.Errorf("two runs wrote\n%s\nand\n%s; want 12 files, the same", all[0], all[1])
	}
	if err := write(t.TempDir(), t.TempDir(), at); err == nil || !strings.Contains(err.Error(), "hint: make packages") {
		t.Errorf("write(no packages) = %v; want a way out", err)
	}
}

func checkApt(t *testing.T, dir string) {
	t.Helper()
	release, err := os.ReadFile(filepath.Join(dir, "Release"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join(dir, "main/binary-amd64/Packages"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Architectures: amd64 arm64\n", "Date: Mon, 21 Sep 2026 14:13:20 UTC\n", fmt.Sprintf(" %s %d main/binary-amd64/Packages\n", sum(list), len(list))} {
		if !strings.Contains(string(release), want) {
			t.Errorf("Release lacks %q:\n%s", want, release)
		}
	}
	if !strings.Contains(string(list), "Description: one\n more\nFilename: pool/a_1_amd64.deb\nSize: ") || strings.Contains(string(list), "Package: b") {
		t.Errorf("Packages = %s; want a alone", list)
	}
}

func checkRPM(t *testing.T, dir string) {
	t.Helper()
	var repomd struct {
		Data []data `xml:"data"`
	}
	text, err := os.ReadFile(filepath.Join(dir, "repodata/repomd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(text, &repomd); err != nil || len(repomd.Data) != 3 {
		t.Fatalf("repomd.xml names %d lists, %v; want 3", len(repomd.Data), err)
	}
	for _, d := range repomd.Data {
		packed, err := os.ReadFile(filepath.Join(dir, d.Location.Href))
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(z)
		if err != nil || sum(packed) != d.Checksum.Value || sum(plain) != d.Open.Value || len(packed) != d.Size || len(plain) != d.OpenSize {
			t.Errorf("%s: %v; want the sums and sizes of repomd.xml", d.Type, err)
		}
		want := map[string][]string{
			"primary": {`<version epoch="4" ver="1.2" rel="3">`, "<summary>s &amp; t</summary>", `<rpm:entry name="agent" flags="EQ" epoch="4" ver="1.2" rel="3">`,
				`<rpm:entry name="libc" flags="GE" epoch="0" ver="2.36">`, `<rpm:entry name="sh">`, "<file>/usr/bin/agent</file>", "<file>/etc/agent.yaml</file>", `archive="77"`},
			"filelists": {"<file>/usr/share/README</file>"},
		}[d.Type]
		for _, w := range want {
			if !strings.Contains(string(plain), w) {
				t.Errorf("%s lacks %s:\n%s", d.Type, w, plain)
			}
		}
		if d.Type == "primary" && (strings.Contains(string(plain), "rpmlib") || strings.Contains(string(plain), "README")) {
			t.Errorf("primary holds what rpm itself provides, or a file that nobody requires:\n%s", plain)
		}
	}
}

func TestRefusesWhatIsNoPackage(t *testing.T) {
	deb, rpm := aDeb(t, "Package: a\nArchitecture: all\n"), anRPM(sample())
	for n := range len(deb) - 1 { // the last byte only pads
		if _, err := controlOf(deb[:n]); err == nil {
			t.Fatalf("controlOf(%d of %d bytes) = nil; want a refusal", n, len(deb))
		}
	}
	for n := range len(rpm) - len("archive") {
		if _, _, err := describe(rpm[:n], "x", time.Time{}); err == nil {
			t.Fatalf("describe(%d of %d bytes) = nil; want a refusal", n, len(rpm))
		}
	}
}

func FuzzPackages(f *testing.F) {
	f.Add(aDeb(f, "Package: a\n"))
	f.Add(anRPM(sample()))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = controlOf(b)
		_, _, _ = describe(b, "x", time.Time{})
	})
}
