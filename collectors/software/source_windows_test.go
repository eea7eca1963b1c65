package software

import (
	"testing"

	"golang.org/x/sys/windows/registry"

	"github.com/discreet-agent/discreet/collectors"
)

// TestUninstall writes entries into both views of a key of its own, and wants them
// found, changed and gone.
func TestUninstall(t *testing.T) {
	const root = `SOFTWARE\Discreet-test`
	u := &uninstall{key: root + `\Uninstall`}
	write := func(view uint32, name string, values map[string]any) {
		t.Helper()
		k, _, err := registry.CreateKey(registry.LOCAL_MACHINE, u.key+`\`+name, registry.SET_VALUE|view)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		t.Cleanup(func() { remove(t, u.key, name, view) })
		for n, v := range values {
			switch v := v.(type) {
			case string:
				err = k.SetStringValue(n, v)
			case uint32:
				err = k.SetDWordValue(n, v)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	write(registry.WOW64_64KEY, "{1}", map[string]any{"DisplayName": "Editor", "DisplayVersion": "1.0", "Publisher": "Example", "InstallDate": "20260102", "WindowsInstaller": uint32(1)})
	write(registry.WOW64_32KEY, "old", map[string]any{"DisplayName": "Old editor"})
	write(registry.WOW64_64KEY, "part", map[string]any{"DisplayName": "Part", "SystemComponent": uint32(1)})
	if !u.changed() {
		t.Error("before the first look nothing has changed; want changed")
	}
	list, err := u.look()
	want := []pkg{{name: "Editor", version: "1.0", vendor: "Example", day: 20455, source: "msi"}, {name: "Old editor", source: "uninstall"}}
	if err != nil || len(list) != 2 || list[0] != want[0] && list[1] != want[0] {
		t.Fatalf("look() = %+v, %v; want %+v", list, err, want)
	}
	if u.changed() {
		t.Error("after a look it has changed; want not")
	}
	write(registry.WOW64_64KEY, "new", map[string]any{"DisplayName": "New"})
	if !u.changed() {
		t.Error("a program came and nothing has changed")
	}
	if list, err = u.look(); err != nil || len(list) != 3 {
		t.Errorf("look() = %+v, %v; want 3 programs", list, err)
	}
}

func remove(t *testing.T, key, name string, view uint32) {
	t.Helper()
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, key, registry.ALL_ACCESS|view)
	if err != nil {
		return
	}
	defer k.Close()
	if err := registry.DeleteKey(k, name); err != nil {
		t.Errorf("remove the test's key: %v", err)
	}
}

// TestRealList reads this machine's own.
func TestRealList(t *testing.T) {
	s, err := newSource(collectors.Env{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.look()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if p.name == "" || p.source == "" {
			t.Error("a program without a name or a source")
		}
	}
	if s.changed() {
		t.Error("after a look it has changed; want not")
	}
}
