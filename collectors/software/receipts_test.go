package software

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/collectors"
)

func lay(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func dictOf(pairs string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict>` + pairs + `</dict></plist>`
}

// TestReceipts reads a machine made of files: receipts, applications, and what is
// neither.
func TestReceipts(t *testing.T) {
	root := t.TempDir()
	stats := &collectors.Stats{}
	r := &receipts{root: root, stats: stats}
	if list, err := r.look(); err != nil || len(list) != 0 || r.changed() {
		t.Errorf("an empty machine: look() = %v, %v; want nothing", list, err)
	}
	db := filepath.Join(root, receiptsDir)
	lay(t, filepath.Join(db, "org.example.tool.plist"), dictOf(`<key>PackageIdentifier</key><string>org.example.tool</string><key>PackageVersion</key><string>1.2</string><key>InstallDate</key><date>2026-11-24T13:00:00Z</date>`))
	lay(t, filepath.Join(db, "org.example.tool.bom"), "BOMStore")
	lay(t, filepath.Join(db, "broken.plist"), "bplist00")
	lay(t, filepath.Join(db, "other.plist"), dictOf(`<key>a</key><true/>`))
	lay(t, filepath.Join(root, "Applications/Editor.app", bundleInfo), dictOf(`<key>CFBundleName</key><string>Ed</string><key>CFBundleDisplayName</key><string>Editor &amp; Co</string><key>CFBundleShortVersionString</key><string>7.1</string>`))
	lay(t, filepath.Join(root, "Applications/Utilities/Plain.app", bundleInfo), dictOf(`<key>CFBundleVersion</key><string>12</string>`))
	lay(t, filepath.Join(root, "Applications/Empty.app/readme"), "x")
	lay(t, filepath.Join(root, "Users/jdoe/Applications/Own.app", bundleInfo), dictOf(`<key>CFBundleName</key><string>Own</string>`))
	if !r.changed() {
		t.Error("changed() = false after files came; want true")
	}
	list, err := r.look()
	day := uint32(time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC).Unix() / 86400)
	want := sortPackages([]pkg{
		{source: "application", name: "Editor & Co", version: "7.1"},
		{source: "application", name: "Plain", version: "12"},
		{source: "receipt", name: "org.example.tool", version: "1.2", day: day},
	})
	if err != nil || !reflect.DeepEqual(list, want) || stats.Lost() != 1 {
		t.Errorf("look() = %+v, %v, %d lost; want %+v and the broken one lost", list, err, stats.Lost(), want)
	}
	if r.changed() {
		t.Error("changed() = true after a look; want false")
	}
	lay(t, filepath.Join(root, "Applications/Editor.app", bundleInfo), dictOf(`<key>CFBundleName</key><string>Editor</string>`))
	if !r.changed() {
		t.Error("changed() = false after an application was updated in its place; want true")
	}
}
