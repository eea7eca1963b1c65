package software

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/collectors"
)

// TestAgreesWithDpkg compares what is read here with what dpkg itself says.
func TestAgreesWithDpkg(t *testing.T) {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n").Output()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no dpkg here: %v", err)
		}
		t.Skipf("no dpkg here: %v", err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "installed" {
			want = append(want, words[1]+" "+words[2])
		}
	}
	d := &databases{root: "/"}
	list, err := d.readDpkg()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range sortPackages(list) {
		got = append(got, p.name+" "+p.version)
		if p.day == 0 {
			t.Errorf("%s: no day of installation", p.name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if want = slices.Compact(want); !slices.Equal(got, want) {
		t.Errorf("%d packages; dpkg says %d", len(got), len(want))
	}
}

// TestLook reads a root of our own: an rpm database and menu entries.
func TestLook(t *testing.T) {
	root := t.TempDir()
	write := func(path string, data []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(rpmDatabases[1], sampleDatabase(t))
	write("var/lib/flatpak/exports/share/applications/org.gimp.GIMP.desktop", []byte("[Desktop Entry]\nType=Application\nName=GIMP\n"))
	write("usr/share/applications/of-a-package.desktop", []byte("[Desktop Entry]\nType=Application\nName=No\n"))
	write("home/maria/.local/share/applications/hers.desktop", []byte("[Desktop Entry]\nType=Application\nName=Hers\n"))
	d := &databases{root: root}
	if !d.changed() {
		t.Error("changed() = false before the first look")
	}
	list, err := d.look()
	if err != nil || len(list) != 5 || list[0].name != "GIMP" {
		t.Errorf("look() = %v, %v; want GIMP and four packages", list, err)
	}
	if d.changed() {
		t.Error("changed() = true though nothing was")
	}
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(filepath.Join(root, rpmDatabases[1]), later, later); err != nil {
		t.Fatal(err)
	}
	if !d.changed() {
		t.Error("changed() = false after a write")
	}
	write(rpmDatabases[1], []byte("not a database"))
	if _, err := d.look(); err == nil {
		t.Error("look() took a damaged database")
	}
}

func BenchmarkLook(b *testing.B) {
	d := &databases{root: "/"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.look(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnchanged(b *testing.B) {
	d := &databases{root: "/"}
	if _, err := d.look(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if d.changed() {
			b.Fatal("changed")
		}
	}
}

func TestNewReadsNothing(t *testing.T) {
	c, err := New(collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{}})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("neither dpkg nor rpm here: %v", err)
	}
	if c.(*Collector).source.(*databases).stamp != "" {
		t.Error("New looked at the databases")
	}
}
