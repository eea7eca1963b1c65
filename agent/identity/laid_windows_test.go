package identity

import (
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/windows/registry"
)

// TestTakeLaidToken: a token in the registry becomes a file, once, and is wiped
// there; without one nothing is made.
func TestTakeLaidToken(t *testing.T) {
	path := `SOFTWARE\Discreet test token ` + strconv.FormatInt(time.Now().UnixNano(), 36)
	dir := t.TempDir() + `\identity`
	want := func(step, file string) {
		t.Helper()
		if got, err := takeToken(path, dir); got != file || err != nil {
			t.Errorf("%s: takeToken() = %q, %v; want %q", step, got, err, file)
		}
	}
	want("no key", "")
	k, _, err := registry.CreateKey(registry.LOCAL_MACHINE, path, registry.ALL_ACCESS)
	if err != nil {
		t.Fatalf("make a key: %v; hint: run the tests as administrator", err)
	}
	defer registry.DeleteKey(registry.LOCAL_MACHINE, path)
	defer k.Close()
	want("no value", "")
	if _, err := os.Stat(dir); err == nil {
		t.Error("a folder was made for no token")
	}
	if err := k.SetStringValue("Token", "dt1.one"); err != nil {
		t.Fatal(err)
	}
	want("a token", dir+`\token`)
	if _, _, err := k.GetStringValue("Token"); !errors.Is(err, registry.ErrNotExist) {
		t.Errorf("the token in the registry: %v; want it wiped", err)
	}
	if b, err := os.ReadFile(dir + `\token`); string(b) != "dt1.one" {
		t.Errorf("the file holds %q, %v; want the token", b, err)
	}
	want("taken before", dir+`\token`)
	if err := ForgetLaidToken(dir); err != nil {
		t.Error(err)
	}
	want("forgotten", "")
	if err := k.SetStringValue("Token", ""); err != nil {
		t.Fatal(err)
	}
	want("an empty one", "")
}
