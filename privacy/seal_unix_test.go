//go:build unix

package privacy

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestS27OfficerKeyFiles: a private key that others can read is refused, and so
// is one on a device, whatever its mode; no error holds a byte of the key.
func TestS27OfficerKeyFiles(t *testing.T) {
	k := testOfficer(t)
	private, err := k.PEM()
	if err != nil {
		t.Fatal(err)
	}
	public, err := k.Public().PEM()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	isPrivate := func(p string) error { _, err := ReadOfficerKey(p); return err }
	isPublic := func(p string) error { _, err := ReadOfficerPublic(p); return err }
	for _, tt := range []struct {
		name string
		text []byte
		mode os.FileMode
		read func(string) error
		want string // in the error; "": none
	}{
		{"private", private, 0o600, isPrivate, ""},
		{"private for its group", private, 0o640, isPrivate, "is open to group"},
		{"private for the world", private, 0o604, isPrivate, "is open to group"},
		{"public", public, 0o644, isPublic, ""},
		{"public that others can change", public, 0o646, isPublic, "can be changed"},
		{"the private key on a device", private, 0o600, isPublic, "holds the private key"},
		{"the public key for the officer", public, 0o600, isPrivate, "holds the public key"},
		{"a word", []byte("changeme"), 0o600, isPrivate, "want one PEM block"},
		{"empty", nil, 0o600, isPublic, "want one PEM block"},
		{"two keys", append(bytes.Clone(public), public...), 0o600, isPublic, "want one PEM block"},
		{"damaged", bytes.Replace(public, []byte("MCow"), []byte("MCox"), 1), 0o600, isPublic, "holds no X25519 key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(tt.name, " ", "-"))
			if err := os.WriteFile(path, tt.text, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			err := tt.read(path)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("read = %v; want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), base64.StdEncoding.EncodeToString(k.raw.Bytes())[4:20]) {
				t.Error("the error holds the key")
			}
		})
	}
}

func TestOfficerKeyComesBack(t *testing.T) {
	k := testOfficer(t)
	text, err := k.PEM()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "officer.key")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := ReadOfficerKey(path)
	if err != nil {
		t.Fatalf("ReadOfficerKey() = %v; want nil", err)
	}
	box, err := Seal(k.Public(), "name", "p")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Open(again, box, "p"); err != nil || got != "name" || again.Public().ID() != k.Public().ID() {
		t.Errorf("Open() = %q, %v; want name", got, err)
	}
}
