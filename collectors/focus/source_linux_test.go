package focus

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/discreet-agent/discreet/collectors"
)

// TestWhoseProcess: a process is believed if it is that person's; another's, and
// one that is gone, is not looked at.
func TestWhoseProcess(t *testing.T) {
	p := newPeople(collectors.Env{})
	me, pid := uint32(os.Getuid()), uint32(os.Getpid())
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got := p.program(collectors.Focused{UID: me, PID: pid, App: "x"}); got.GetPath() != exe || got.GetName() != filepath.Base(exe) {
		t.Errorf("own process: %q at %q; want %q", got.GetName(), got.GetPath(), exe)
	}
	for name, f := range map[string]collectors.Focused{
		"another's": {UID: me + 1, PID: pid, App: "x"}, "none": {UID: me, App: "x"}, "gone": {UID: me, PID: 1 << 22, App: "x"},
	} {
		if got := p.program(f); got.GetPath() != "" || got.GetName() != "x" {
			t.Errorf("%s: %q at %q; want the display's word alone", name, got.GetName(), got.GetPath())
		}
	}
}
