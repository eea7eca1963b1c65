package process

import (
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// program is what a process runs. Many processes share one.
type program struct {
	name, path string

	// CPU time of ends that was not reported yet, in nanoseconds: less than a
	// millisecond. A thousand programs of 0.6 ms used 600 ms, not 0 and not 1,000.
	userRest, systemRest int64
}

// maxPrograms bounds the cache of programs.
const maxPrograms = 4096

// programs keeps one program for each path, so that a shell loop that starts
// one tool a thousand times holds its path once.
type programs map[string]*program

func (c programs) path(path []byte) *program {
	if p := c[string(path)]; p != nil { // does not copy the bytes
		return p
	}
	s := string(path)
	return c.add(s, &program{name: procfs.ProgramName(s), path: s})
}

// named returns a program of which only the kernel's short name is known. The
// key cannot be taken for a path.
func (c programs) named(name []byte) *program {
	s := string(name)
	if p := c["\x00"+s]; p != nil {
		return p
	}
	return c.add("\x00"+s, &program{name: s})
}

func (c programs) add(key string, p *program) *program {
	if len(c) >= maxPrograms {
		clear(c)
	}
	c[key] = p
	return p
}

// process is one that lives.
type process struct {
	pid         uint32
	key, parent uint64 // see procfs.Key; 0 where unknown
	uid         uint32
	uidKnown    bool
	user        account
	prog        *program
	started     int64 // when, in nanoseconds of the monotonic clock
	seen        int64 // when /proc was read for it, on the same clock
	told        bool  // its start was reported
	session     uint32

	ended            bool // its exit was seen, and not all of its figures yet
	end              ending
	endMS            int64 // of the wall clock
	userNS, systemNS int64
	rssBefore        uint64 // pages: the peak of what the process was before its exec

	cpuUserMS, cpuSystemMS, rssBytes uint64 // as last read
	scan                             uint32 // the last scan that saw it
}

// settle turns the process's CPU time into whole milliseconds. What is left goes
// to the next end of the same program.
func (p *process) settle() {
	const ms = 1e6
	user, system := p.userNS+p.prog.userRest, p.systemNS+p.prog.systemRest
	p.cpuUserMS, p.cpuSystemMS = uint64(user/ms), uint64(system/ms)
	p.prog.userRest, p.prog.systemRest = user%ms, system%ms
}

type account struct{ name, sid string }

// ending says how a process ended. The zero ending is not known.
type ending struct {
	code                    int32
	signal                  uint32
	lifetimeMS              uint64
	readBytes, writtenBytes uint64
}

// endingOf reads a wait status (wait(2)).
func endingOf(status uint32) ending {
	return ending{code: int32(status >> 8 & 0xff), signal: status & 0x7f}
}

// reporter makes events. It uses the same ones again and again: Emit keeps
// nothing of them.
type reporter struct {
	emit  collectors.Emit
	rung  eventv1.Rung
	event eventv1.Event
	start eventv1.Event_ProcessStart
	stop  eventv1.Event_ProcessStop
}

func newReporter(emit collectors.Emit, rung eventv1.Rung) *reporter {
	r := &reporter{emit: emit, rung: rung}
	r.start.ProcessStart = &eventv1.ProcessStart{Program: &eventv1.Program{}, User: &eventv1.User{}, Rung: rung}
	r.stop.ProcessStop = &eventv1.ProcessStop{Program: &eventv1.Program{}, User: &eventv1.User{}, Rung: rung}
	return r
}

func (r *reporter) started(atMS int64, p *process, inventory bool) {
	p.told = true
	e := r.start.ProcessStart
	e.Pid, e.StartKey, e.ParentStartKey = p.pid, p.key, p.parent
	e.Session, e.Inventory = p.session, inventory
	describe(e.Program, e.User, p)
	r.event.TimeUnixMs, r.event.Kind = atMS, &r.start
	r.emit(&r.event)
}

func (r *reporter) stopped(atMS int64, p *process, end ending) {
	e := r.stop.ProcessStop
	e.Pid, e.StartKey = p.pid, p.key
	e.ExitCode, e.Signal, e.LifetimeMs = end.code, end.signal, end.lifetimeMS
	e.CpuUserMs, e.CpuSystemMs, e.MaxRssBytes = p.cpuUserMS, p.cpuSystemMS, p.rssBytes
	e.ReadBytes, e.WrittenBytes = end.readBytes, end.writtenBytes
	describe(e.Program, e.User, p)
	r.event.TimeUnixMs, r.event.Kind = atMS, &r.stop
	r.emit(&r.event)
}

func describe(to *eventv1.Program, user *eventv1.User, p *process) {
	to.Name, to.Path = p.prog.name, p.prog.path
	user.Name, user.Sid = p.user.name, p.user.sid
}
