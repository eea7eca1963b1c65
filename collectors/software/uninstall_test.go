package software

import (
	"strings"
	"testing"
)

func TestEntryPkg(t *testing.T) {
	whole := entry{name: " Text Editor ", version: "1.2", publisher: "Example", installed: "20260102"}
	but := func(do func(*entry)) entry { e := whole; do(&e); return e }
	want := pkg{name: "Text Editor", version: "1.2", vendor: "Example", day: 20455, source: "uninstall"}
	wantBut := func(do func(*pkg)) pkg { p := want; do(&p); return p }
	for _, c := range []struct {
		name string
		in   entry
		want pkg
		ok   bool
	}{
		{"whole", whole, want, true},
		{"by Windows Installer", but(func(e *entry) { e.msi = true }), wantBut(func(p *pkg) { p.source = "msi" }), true},
		{"no name", but(func(e *entry) { e.name = " " }), pkg{}, false},
		{"part of the system", but(func(e *entry) { e.component = true }), pkg{}, false},
		{"part of another", but(func(e *entry) { e.parent = "OperatingSystem" }), pkg{}, false},
		{"update", but(func(e *entry) { e.release = "Security Update" }), pkg{}, false},
		{"a day in another form", but(func(e *entry) { e.installed = "1/2/2026" }), wantBut(func(p *pkg) { p.day = 0 }), true},
		{"a day that is none", but(func(e *entry) { e.installed = "20269999" }), wantBut(func(p *pkg) { p.day = 0 }), true},
		{"a day before all", but(func(e *entry) { e.installed = "00010101" }), wantBut(func(p *pkg) { p.day = 0 }), true},
		{"a name without end", but(func(e *entry) { e.name = strings.Repeat("a", 10*maxText) }), wantBut(func(p *pkg) { p.name = strings.Repeat("a", maxText) }), true},
	} {
		if got, ok := c.in.pkg(); ok != c.ok || got != c.want {
			t.Errorf("%s: pkg() = %+v, %v; want %+v, %v", c.name, got, ok, c.want, c.ok)
		}
	}
}
