package process

import (
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/nt"
)

// living is a process of Windows that lives.
type living struct {
	process
	created int64 // FILETIME; 0 unknown
	held    held  // nil where the process may not be opened
	usage   nt.Figures
}

// held is a process that is kept open, so that its last figures can be read.
type held interface {
	Figures() (nt.Figures, error)
	Close()
}

// asked is what a process is asked for once.
type asked struct {
	path string
	user account
	held held
}

// table holds the living processes of Windows, as snapshots and events tell of
// them. It is not safe for concurrent use.
type table struct {
	report   *reporter
	stats    *collectors.Stats
	programs programs
	// ask opens a process that was created at a FILETIME.
	ask    func(pid uint32, created int64) asked
	living map[uint32]*living
	looks  uint32
	fresh  []*living // of this look
}

func newTable(stats *collectors.Stats, report *reporter, ask func(uint32, int64) asked) *table {
	return &table{report: report, stats: stats, programs: make(programs), ask: ask, living: make(map[uint32]*living)}
}

// look takes a snapshot: it reports whoever is new in it, and with ends whoever is
// in it no more. walk calls what it is given with each process.
func (t *table) look(walk func(func(*nt.Process) bool) error, inventory, ends bool) error {
	t.looks++
	t.fresh = t.fresh[:0]
	if err := walk(func(p *nt.Process) bool { t.see(p); return true }); err != nil {
		for _, p := range t.fresh { // the next look takes them
			delete(t.living, p.pid)
			p.letGo()
		}
		return err
	}
	now := time.Now().UnixMilli()
	for _, p := range t.fresh {
		p.parent = t.parentKey(p)
		if p.prog.name != "" {
			t.report.started(beganAt(p, now, inventory), &p.process, inventory)
		}
	}
	clear(t.fresh)
	for pid, p := range t.living {
		if p.scan != t.looks && ends {
			t.end(pid, p, nt.Figures{})
		}
	}
	return nil
}

// beganAt returns when a process started. Of one that ran before the agent it is
// the time of the look, as on every system.
func beganAt(p *living, now int64, inventory bool) int64 {
	if at := nt.UnixMS(p.created); at != 0 && !inventory {
		return at
	}
	return now
}

// see takes one process of a snapshot.
func (t *table) see(s *nt.Process) {
	p := t.living[s.PID]
	if p != nil && p.created != s.Created {
		t.end(s.PID, p, nt.Figures{}) // its pid is another's now
		p = nil
	}
	if p == nil {
		p = t.add(s.PID, s.Parent, s.Session, s.Created, func() string { return nt.Text(s.Name) }, "")
		if p == nil {
			return
		}
		t.fresh = append(t.fresh, p)
	}
	p.scan = t.looks
	p.usage = nt.Figures{
		Created: s.Created, UserTime: s.UserTime, KernelTime: s.KernelTime,
		PeakWorkingSet: s.PeakWorkingSet, ReadBytes: s.ReadBytes, WrittenBytes: s.WrittenBytes,
	}
}

// add enters a process. name and path stand where it cannot be asked for its own.
func (t *table) add(pid, parent, session uint32, created int64, name func() string, path string) *living {
	if len(t.living) >= maxProcesses {
		t.stats.AddLost(1)
		return nil
	}
	p := &living{process: process{pid: pid, key: nt.Key(created, pid), session: session, prog: &program{}}, created: created}
	p.parent = uint64(parent) // until parentKey
	t.living[pid] = p
	if nt.PartOfKernel(pid) {
		return p
	}
	a := t.ask(pid, created)
	p.user, p.held = a.user, a.held
	if a.path != "" {
		path = a.path
	}
	if path != "" {
		p.prog = t.programs.file(path)
	} else {
		p.prog = t.programs.named([]byte(name()))
	}
	return p
}

// file returns the program in a file of Windows.
func (c programs) file(path string) *program {
	if p := c[path]; p != nil {
		return p
	}
	return c.add(path, &program{name: nt.BaseName(path), path: path})
}

// parentKey returns the start key of a process's parent, whose pid stands in its
// place. A parent that is younger than its child has only the pid of the real one.
func (t *table) parentKey(p *living) uint64 {
	of := t.living[uint32(p.parent)]
	if of == nil || of == p || of.created > p.created {
		return 0
	}
	return of.key
}

// start takes the news that a process started.
func (t *table) start(pid, parent, session uint32, created int64, name, path string) {
	if p := t.living[pid]; p != nil {
		if p.created == created {
			return // a snapshot was first
		}
		t.end(pid, p, nt.Figures{})
	}
	p := t.add(pid, parent, session, created, func() string { return name }, path)
	if p == nil {
		return
	}
	p.scan = t.looks
	if p.parent = t.parentKey(p); p.prog.name != "" {
		t.report.started(beganAt(p, time.Now().UnixMilli(), false), &p.process, false)
	}
}

// stop takes the news that a process ended, with what the news say.
func (t *table) stop(pid uint32, said nt.Figures) {
	if p := t.living[pid]; p != nil && (p.created == said.Created || said.Created == 0 || p.created == 0) {
		t.end(pid, p, said)
	}
}

// end reports the end of a process and forgets it. The figures are its last ones
// where it was held; else what the news said, and what the last snapshot did.
func (t *table) end(pid uint32, p *living, said nt.Figures) {
	delete(t.living, pid)
	f := p.usage
	if said.Ended != 0 {
		f.Ended, f.Code = said.Ended, said.Code
		f.ReadBytes, f.WrittenBytes = max(f.ReadBytes, said.ReadBytes), max(f.WrittenBytes, said.WrittenBytes)
	}
	if p.held != nil {
		if last, err := p.held.Figures(); err == nil && last.Ended != 0 {
			f = largest(f, last)
		}
		p.letGo()
	}
	if !p.told {
		return
	}
	at := nt.UnixMS(f.Ended)
	if at == 0 {
		at = time.Now().UnixMilli()
	}
	e := ending{code: int32(f.Code), readBytes: f.ReadBytes, writtenBytes: f.WrittenBytes}
	if began := nt.UnixMS(p.created); began != 0 {
		e.lifetimeMS = uint64(max(0, at-began))
	}
	const unit = 100 // nanoseconds
	p.userNS, p.systemNS = int64(f.UserTime)*unit, int64(f.KernelTime)*unit
	p.settle()
	p.rssBytes = f.PeakWorkingSet
	t.report.stopped(at, &p.process, e)
}

// largest returns the last figures, and of those that the system tells no more the
// ones from before.
func largest(before, last nt.Figures) nt.Figures {
	last.UserTime, last.KernelTime = max(before.UserTime, last.UserTime), max(before.KernelTime, last.KernelTime)
	last.PeakWorkingSet = max(before.PeakWorkingSet, last.PeakWorkingSet)
	last.ReadBytes, last.WrittenBytes = max(before.ReadBytes, last.ReadBytes), max(before.WrittenBytes, last.WrittenBytes)
	return last
}

// close lets every process go.
func (t *table) close() {
	for _, p := range t.living {
		p.letGo()
	}
}

func (p *living) letGo() {
	if p.held != nil {
		p.held.Close()
	}
}
