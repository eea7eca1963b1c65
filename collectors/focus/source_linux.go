package focus

import (
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: the window in front, as the session helper reads it from X11 or from the
// compositor.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

// people names accounts and their programs. One goroutine at a time uses it: the
// sessions hand their reports over one by one.
type people struct {
	accounts *procfs.Accounts
	proc     *procfs.Reader
}

func newPeople(env collectors.Env) *people {
	return &people{procfs.NewAccounts(""), procfs.NewReader(env.ProcRoot)}
}

func (p *people) user(uid uint32) *eventv1.User {
	name, id := p.accounts.Find(uid)
	return &eventv1.User{Name: name, Sid: id}
}

// program describes what was in front. A process of somebody else is not looked
// at: a number can be wrong, as in a sandbox with numbers of its own, or a lie.
func (p *people) program(f collectors.Focused) *eventv1.Program {
	if f.PID != 0 {
		if uid, err := p.proc.UID(f.PID); err == nil && uid == f.UID {
			if exe, err := p.proc.Exe(f.PID); err == nil && len(exe) > 0 {
				return &eventv1.Program{Name: procfs.ProgramName(string(exe)), Path: string(exe)}
			}
		}
	}
	return &eventv1.Program{Name: f.App}
}
