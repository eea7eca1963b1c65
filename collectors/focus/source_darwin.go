package focus

import (
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/libproc"
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: the application in front, which the session helper asks NSWorkspace for.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

// people names accounts and their programs. One goroutine at a time uses it.
type people struct {
	accounts *libproc.Accounts
	paths    *libproc.Paths // nil: what the session calls a program must do
}

func newPeople(collectors.Env) *people {
	paths, err := libproc.OpenPaths()
	if err != nil {
		paths = nil
	}
	return &people{libproc.NewAccounts(), paths}
}

func (p *people) user(uid uint32) *eventv1.User {
	name, id := p.accounts.Find(uid)
	return &eventv1.User{Name: name, Sid: id}
}

// program describes what was in front. A process of somebody else is not looked
// at: the number can be a lie.
func (p *people) program(f collectors.Focused) *eventv1.Program {
	if f.PID != 0 && p.paths != nil {
		if uid, ok := libproc.UIDOf(f.PID); ok && uid == f.UID {
			if path := p.paths.Of(f.PID); path != "" {
				return &eventv1.Program{Name: procfs.ProgramName(path), Path: path}
			}
		}
	}
	return &eventv1.Program{Name: f.App}
}
