//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
)

// keyForms are the forms in which a key could stand somewhere.
func keyForms(key []byte) [][]byte {
	hexed := hex.EncodeToString(key)
	return [][]byte{
		key, []byte(hexed), []byte(strings.ToUpper(hexed)), []byte(base64.StdEncoding.EncodeToString(key)),
		[]byte(base64.RawURLEncoding.EncodeToString(key)), []byte(strings.Trim(fmt.Sprint(key), "[]")),
	}
}

// holdsKey returns the files below dir that hold a form of the key.
func holdsKey(t *testing.T, dir string, key []byte) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, form := range keyForms(key) {
			if bytes.Contains(b, form) {
				files = append(files, path)
				break
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestS27KeyBytesAreNowhereElse runs both programs, with the log at debug, under a
// key from IT and under one of the device, in epochs. The key stands in its own
// file and in no other, and in no argument and no variable of either process.
func TestS27KeyBytesAreNowhereElse(t *testing.T) {
	for _, mode := range []string{"tenant_key", "device_key"} {
		t.Run(mode, func(t *testing.T) {
			l := newLab(t, "")
			set := fmt.Sprintf("log: {level: debug}\nprivacy: {processes: each, pseudonym: {mode: %s, tenant_key_file: %s, epoch: month}}\n", mode, l.Path("tenant.key"))
			if err := l.Write("agent.yaml", l.AgentYAML()+set); err != nil {
				t.Fatal(err)
			}
			gw, ag := startGateway(t, l), startAgent(t, l)
			connected(t, l)
			ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
			load(ctx, 50*time.Millisecond)
			stop()
			until(t, l, 30*time.Second, "events at the gateway", func() bool { return gatewayTotals(t, l).Events > 0 })
			file := l.Path("tenant.key")
			if mode == "device_key" {
				found, err := filepath.Glob(l.Path("agent/device-*m*.key"))
				if err != nil || len(found) != 1 {
					t.Fatalf("device keys = %v, %v; want the one of this month", found, err)
				}
				file = found[0]
			}
			searchKey(t, l, file, gw, ag)
		})
	}
}

func searchKey(t *testing.T, l *lab.Lab, file string, procs ...*lab.Proc) {
	t.Helper()
	key, err := os.ReadFile(file)
	if err != nil || len(key) != 32 {
		t.Fatalf("the key has %d bytes, %v; want 32", len(key), err)
	}
	for _, p := range procs {
		for _, name := range []string{"cmdline", "environ"} {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.Cmd.Process.Pid, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, form := range keyForms(key) {
				if bytes.Contains(text, form) {
					t.Errorf("the key stands in %s of a process", name)
				}
			}
		}
	}
	for _, p := range procs {
		if err := p.Stop(20 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Agent(t.Context(), "privacy", "show", "--json"); err != nil {
		t.Fatal(err)
	}
	if found := holdsKey(t, l.Dir, key); len(found) != 1 || found[0] != file {
		t.Errorf("the key stands in %v; want only %s", found, file)
	}
}
