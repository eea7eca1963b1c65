package main

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/mgr"
)

// TestOwnSettings makes a service of another name, sets what the agent sets of its
// own, and reads back what can be read.
func TestOwnSettings(t *testing.T) {
	m, err := mgr.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Disconnect()
	s, err := m.CreateService("discreet-agent-settings-test", `C:\none.exe`, mgr.Config{StartType: mgr.StartManual})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	defer s.Delete()
	for name, set := range map[string]func() error{
		"recovery actions":    func() error { return s.SetRecoveryActions(restarts, restartsReset) },
		"required privileges": func() error { return keepPrivileges(s.Handle) },
		"service sid":         func() error { return giveSID(s.Handle) },
	} {
		err := set()
		if errors.Is(err, windows.ERROR_INVALID_LEVEL) && os.Getenv("DISCREET_WINE") != "" {
			t.Skip("Wine 8.0: its service manager knows no recovery actions, required privileges and service SIDs; the agent says so in its log and goes on")
		}
		if err != nil {
			t.Errorf("%s: %v; want nil", name, err)
		}
	}
	if got, err := s.RecoveryActions(); err != nil || len(got) != len(restarts) || got[0] != restarts[0] {
		t.Errorf("RecoveryActions() = %v, %v; want %v", got, err, restarts)
	}
}
