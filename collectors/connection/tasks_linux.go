package connection

import (
	"strings"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/procfs"
)

// maxTasks bounds each of the two generations of programs that are kept. The
// kernel tells of a program again when 4,096 others came after it.
const maxTasks = 4096

// tick is the unit of /proc/PID/stat, in nanoseconds.
const tick = 1e9 / procfs.TicksPerSecond

// tasks knows which program a record is about. The kernel tells it before the
// first record of a program, so that also one that is gone has its path. Those
// that ran before the agent are looked up in /proc.
type tasks struct {
	proc     *procfs.Reader
	accounts *procfs.Accounts
	young    map[task]program
	old      map[task]program // what is not asked for again goes with it
	paths    map[string]string
}

type program struct{ name, path string }

// key returns the start key by which events name the process; 0: not known.
func (t task) key() uint64 {
	if t.pid == 0 {
		return 0
	}
	return procfs.Key(uint64(t.start)/tick, t.pid)
}

func newTasks(env collectors.Env) *tasks {
	return &tasks{
		proc:     procfs.NewReader(env.ProcRoot),
		accounts: procfs.NewAccounts(""),
		young:    make(map[task]program),
		paths:    make(map[string]string),
	}
}

// learn takes a record of a program.
func (t *tasks) learn(r *record) {
	if r.cut { // half a path would name another file
		if p := t.look(r.task); p.path != "" {
			t.keep(r.task, p)
			return
		}
		t.keep(r.task, program{name: lastPart(r.parts)})
		return
	}
	path := pathOf(r.parts)
	t.keep(r.task, program{baseName(path), path})
}

func (t *tasks) keep(key task, p program) {
	if len(t.young) >= maxTasks {
		t.old, t.young = t.young, make(map[task]program)
		clear(t.paths)
	}
	// Most programs run many times: one copy of a path serves them all.
	if path, ok := t.paths[p.path]; ok {
		p.name, p.path = baseName(path), path
	} else if p.path != "" {
		t.paths[p.path] = p.path
	}
	t.young[key] = p
}

// of returns whose a record is.
func (t *tasks) of(r *record) (o owner) {
	if r.task.pid == 0 {
		return owner{}
	}
	p, ok := t.young[r.task]
	if !ok {
		if p, ok = t.old[r.task]; !ok {
			p = t.look(r.task)
		}
		t.keep(r.task, p)
	}
	o.name, o.path = p.name, p.path
	o.user, o.sid = t.accounts.Find(r.uid)
	return o
}

// look asks /proc about a process that runs.
func (t *tasks) look(key task) program {
	stat, err := t.proc.Stat(key.pid)
	if err != nil || procfs.Key(stat.StartTicks, key.pid) != procfs.Key(uint64(key.start/tick), key.pid) {
		return program{}
	}
	name := strings.ToValidUTF8(string(stat.Name), "\uFFFD")
	exe, err := t.proc.Exe(key.pid)
	if err != nil {
		return program{name: name}
	}
	path := string(exe)
	return program{baseName(path), path}
}
