package software

import (
	"slices"
	"strings"
	"testing"
)

const status = `Package: bash
Status: install ok installed
Maintainer: Maria Rossi <maria@example.org>
Architecture: amd64
Origin: Example
Version: 5.2.15-2+b7
Description: a shell
 Version: not this one
 .

Package: gone
Status: deinstall ok config-files
Version: 1

package: half
Status: install reinstreq half-installed
Version: 1

Package: waits
Status: install ok triggers-pending
Version: 3
`

func TestParseDpkg(t *testing.T) {
	day := func(name, arch string) uint32 { return uint32(len(name + arch)) }
	list, err := parseDpkg(strings.NewReader(status), day)
	want := []pkg{
		{"dpkg", "bash", "5.2.15-2+b7", "Example", 9},
		{"dpkg", "waits", "3", "", 5},
	}
	if err != nil || !slices.Equal(list, want) {
		t.Errorf("parseDpkg = %v, %v; want %v", list, err, want)
	}
	if _, err := parseDpkg(strings.NewReader(strings.Repeat("x", maxDpkgLine+2)), day); err == nil {
		t.Error("parseDpkg took a line without end")
	}
}

func TestParseDesktop(t *testing.T) {
	for name, row := range map[string]struct{ in, want string }{
		"plain":       {"# x\n[Desktop Entry]\nType=Application\nName=GIMP\nName[de]=Gimp\n[Desktop Action new]\nName=New\n", "GIMP"},
		"hidden":      {"[Desktop Entry]\nType=Application\nName=Settings\nNoDisplay=true\n", ""},
		"a link":      {"[Desktop Entry]\nType=Link\nName=Home\n", ""},
		"other group": {"[X]\nName=No\n[Desktop Entry]\nName = Yes\nType = Application\n", "Yes"},
		"empty":       {"", ""},
	} {
		if got := parseDesktop(strings.NewReader(row.in)); got != row.want {
			t.Errorf("%s: parseDesktop = %q; want %q", name, got, row.want)
		}
	}
}

func FuzzDpkg(f *testing.F) {
	f.Add(status)
	f.Fuzz(func(t *testing.T, in string) {
		list, _ := parseDpkg(strings.NewReader(in), func(string, string) uint32 { return 0 })
		for _, p := range list {
			if p.name == "" || p.name != tidy(p.name) || p.version != tidy(p.version) {
				t.Errorf("package %q is not tidy", p.name)
			}
		}
		parseDesktop(strings.NewReader(in))
	})
}
