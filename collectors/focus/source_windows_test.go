package focus

import (
	"os"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/nt"
)

// TestWhoseProcess: a process is believed if it is of that session; another's, and one
// that is gone, is not looked at.
func TestWhoseProcess(t *testing.T) {
	p := newPeople(collectors.Env{})
	pid := uint32(os.Getpid())
	session, err := nt.SessionOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got := p.program(collectors.Focused{UID: session, PID: pid, App: "x"}); got.GetPath() != exe || got.GetName() != nt.BaseName(exe) {
		t.Errorf("own process: %q at %q; want %q", got.GetName(), got.GetPath(), exe)
	}
	for name, f := range map[string]collectors.Focused{
		"another's": {UID: session + 1, PID: pid, App: "x"}, "none": {UID: session, App: "x"}, "gone": {UID: session, PID: 1 << 30, App: "x"},
	} {
		if got := p.program(f); got.GetPath() != "" || got.GetName() != "x" {
			t.Errorf("%s: %q at %q; want the display's word alone", name, got.GetName(), got.GetPath())
		}
	}
	if u := p.user(session); underWine() && u.GetSid() == "" {
		t.Error("nobody is logged on in this session; want its account")
	}
	if u := p.user(1 << 30); !underWine() && u != nil {
		t.Error("somebody is logged on in a session that is none")
	}
}

func underWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}
