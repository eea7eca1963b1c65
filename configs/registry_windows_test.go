package configs

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/windows/registry"
)

// keyFor makes the path of a key of HKLM for this test alone, that is not there
// yet, and removes what is there in the end.
func keyFor(t *testing.T) string {
	t.Helper()
	const above = `SOFTWARE\Discreet test`
	k, _, err := registry.CreateKey(registry.LOCAL_MACHINE, above, registry.ALL_ACCESS)
	if err != nil {
		t.Fatalf("make %s: %v; hint: run the tests as administrator", above, err)
	}
	k.Close()
	path := above + `\` + strconv.FormatInt(time.Now().UnixNano(), 36)
	t.Cleanup(func() { removeKey(t, path); _ = registry.DeleteKey(registry.LOCAL_MACHINE, above) })
	return hive + path
}

func removeKey(t *testing.T, path string) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, path, registry.READ)
	if err != nil {
		return
	}
	subs, err := k.ReadSubKeyNames(-1)
	if err != nil {
		t.Error(err)
	}
	k.Close()
	for _, s := range subs {
		removeKey(t, path+`\`+s)
	}
	if err := registry.DeleteKey(registry.LOCAL_MACHINE, path); err != nil {
		t.Errorf("delete %s: %v", path, err)
	}
}

func write(t *testing.T, path string, set func(registry.Key) error) {
	t.Helper()
	k, _, err := registry.CreateKey(registry.LOCAL_MACHINE, path[len(hive):], registry.ALL_ACCESS)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := set(k); err != nil {
		t.Fatal(err)
	}
}

// TestRegistryOfTheSystem writes each type of value into the system's registry and
// loads what stands there.
func TestRegistryOfTheSystem(t *testing.T) {
	path := keyFor(t)
	if _, err := (diskFiles{}).Key(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Key() of nothing = %v; want %v", err, fs.ErrNotExist)
	}
	l := NewLoader(AgentPaths{PolicyKey: path}, "")
	good(t, l.Load())
	write(t, path+`\privacy`, func(k registry.Key) error {
		return errors.Join(k.SetStringValue("username", "drop"), k.SetStringsValue("corporate_domains", []string{"a.example", "b.example"}))
	})
	write(t, path+`\privacy\corporate_ssids`, func(k registry.Key) error {
		return errors.Join(k.SetStringValue("1", "one"), k.SetStringValue("2", "two"))
	})
	write(t, path+`\collectors\focus`, func(k registry.Key) error { return k.SetDWordValue("enabled", 0) })
	got := good(t, l.Load())
	if d := decision(t, got, "username"); d.Level.String() != "drop" || d.Layer != layerManaged || d.Source != path+`\privacy` {
		t.Errorf("username = %s from %s %s; want drop from managed %s", d.Level, d.Layer, d.Source, path+`\privacy`)
	}
	s := got.Settings
	if len(s.Privacy.CorporateDomains) != 2 || len(s.Privacy.CorporateSSIDs) != 2 || s.Collectors["focus"].Enabled {
		t.Errorf("settings = %v, %v, focus %v; want two, two, off", s.Privacy.CorporateDomains, s.Privacy.CorporateSSIDs, s.Collectors["focus"].Enabled)
	}
	write(t, path+`\privacy`, func(k registry.Key) error {
		return errors.Join(k.SetExpandStringValue("username", "%USERNAME%"), k.SetQWordValue("upn", 1), k.SetBinaryValue("logons", []byte{1}))
	})
	if got := l.Load(); len(got.Faults) != 3 || decision(t, got, "username").Level.String() != "drop" {
		t.Errorf("faults = %s; want three, and the last good form", faultTexts(got.Faults))
	}
	write(t, path+`\a\b\c\d\e\f`, func(registry.Key) error { return nil })
	if _, err := (diskFiles{}).Key(path); !errors.Is(err, errTooMany) {
		t.Errorf("Key() of a deep key = %v; want %v", err, errTooMany)
	}
}

// TestWatchRegistryOfTheSystem: each change below the key is told, from the making of
// the key to its end.
func TestWatchRegistryOfTheSystem(t *testing.T) {
	path := keyFor(t)
	l := NewLoader(AgentPaths{PolicyKey: path}, "")
	l.Load()
	ctx, stop := context.WithCancel(t.Context())
	told, done := make(chan struct{}, 8), make(chan error)
	go func() { done <- l.Watch(ctx, func() { told <- struct{}{} }) }()
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"the key is made", func() {
			write(t, path+`\privacy`, func(k registry.Key) error { return k.SetStringValue("username", "drop") })
		}},
		{"a value changes", func() {
			write(t, path+`\privacy`, func(k registry.Key) error { return k.SetStringValue("username", "hashed") })
		}},
		{"a key deep below is made", func() {
			write(t, path+`\privacy\quiet`, func(k registry.Key) error { return k.SetDWordValue("weekends", 1) })
		}},
		{"the key goes", func() { removeKey(t, path[len(hive):]) }},
	} {
		began := time.Now()
		step.do()
		select {
		case <-told:
			t.Logf("%s: told after %v", step.name, time.Since(began).Round(time.Millisecond))
		case <-time.After(20 * time.Second): // by a poll, it would be a minute
			t.Fatalf("%s: not told", step.name)
		}
		l.Load()
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Watch() = %v; want nil", err)
	}
}
