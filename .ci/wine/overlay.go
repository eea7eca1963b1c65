package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// writeOverlay writes a file for "go build -overlay" that changes one line of the
// standard library, for programs that are to run under Wine only: Wine 8 answers
// STATUS_NOT_IMPLEMENTED where the library expects one of three other codes before
// it deletes in the older way. Without it os.RemoveAll fails, and with it every
// test that has a folder of its own. os.Remove is not affected, and the shipped
// programs, which use no more, are built without the overlay.
func writeOverlay(dir string) (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	from := filepath.Join(strings.TrimSpace(string(root)), "src", "internal", "syscall", "windows", "at_windows.go")
	source, err := os.ReadFile(from)
	if err != nil {
		return "", err
	}
	const place, wider = "case STATUS_INVALID_INFO_CLASS,", "case NTStatus(0xC0000002), STATUS_INVALID_INFO_CLASS,"
	if bytes.Count(source, []byte(place)) != 1 {
		return "", fmt.Errorf("%s: no single place for the change; hint: does this Go still need it?", from)
	}
	to := filepath.Join(dir, "at_windows.go")
	if err := os.WriteFile(to, bytes.Replace(source, []byte(place), []byte(wider), 1), 0o644); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {from: to}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o644)
}
