package process

import (
	"context"
	_ "embed"
	"time"

	"github.com/cilium/ebpf"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/kernel"
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

//go:embed bpf/process.o
var object []byte

const (
	// waitedFor is how many reads of the ring a process that has exited may miss
	// its last record: nobody has waited for it. Then what is known is reported.
	waitedFor = 3
	maxFree   = 256 // places of ended processes that are kept for new ones
)

// traced is the rung EBPF: the kernel writes a record of every exec and of
// every end, with all that is reported of it, and they are read once a second.
// Nothing is looked up in /proc but what ran before, and after a loss.
type traced struct {
	env    collectors.Env
	loaded *kernel.Programs
	ring   *kernel.Ring
	*watch
	living map[uint64]*process // by key: a pid may be another's by the time its record is read
	exited []exit              // of which the last record is awaited
	spare  []*process
	reads  int
	path   []byte
	offset int64 // wall clock less time since boot, in milliseconds
}

// exit names a process that has exited, and at which read of the ring.
type exit struct {
	key  uint64
	read int
}

func openTraced(env collectors.Env) (source, error) { return openTracedWith(env, nil) }

func openTracedWith(env collectors.Env, set func(*ebpf.CollectionSpec) error) (source, error) {
	programs, err := kernel.Load(object, env.ProcRoot, env.SysRoot, set)
	if err != nil {
		return nil, err
	}
	t := &traced{env: env, loaded: programs, living: make(map[uint64]*process)}
	if t.ring, err = programs.Ring(); err == nil {
		if err = programs.Trace(); err == nil {
			return t, nil
		}
		t.ring.Close()
	}
	programs.Close()
	return nil, err
}

func (t *traced) run(ctx context.Context, emit collectors.Emit) error {
	defer t.loaded.Close()
	defer t.ring.Close()
	t.watch = newWatch(t.env, emit, eventv1.Rung_RUNG_EBPF)
	t.syncClock()
	if err := t.list(true); err != nil {
		return err
	}
	return t.ring.Read(ctx, t.handle, t.afterRead)
}

// syncClock relates the clock of the records to the wall clock.
func (t *traced) syncClock() {
	t.offset = time.Now().UnixMilli() - kernel.SinceBoot().Milliseconds()
}

func (t *traced) unixMS(boot int64) int64 { return boot/int64(time.Millisecond) + t.offset }

func keyAt(start int64, pid uint32) uint64 { return procfs.Key(uint64(start/tick), pid) }

// handle takes one record.
func (t *traced) handle(b []byte) {
	r, ok := parseRecord(b)
	if !ok {
		return
	}
	key := keyAt(r.start, r.pid)
	p := t.living[key]
	switch r.kind {
	case kindExec:
		if p == nil || p.seen < r.at {
			t.exec(&r, key, p)
		}
	case kindExit:
		if p != nil && !p.ended {
			p.ended = true
			t.exited = append(t.exited, exit{key, t.reads})
			t.end(&r, p)
		}
	case kindFree:
		if p != nil {
			t.end(&r, p)
			t.stopped(key, p)
		}
	}
}

// end takes over what a record tells of an end. The one that comes first has the
// time, the last the whole figures.
func (t *traced) end(r *record, p *process) {
	if p.endMS == 0 {
		p.endMS = t.unixMS(r.at)
		p.end = endingOf(r.status)
		p.end.lifetimeMS = uint64(max(0, r.at-p.started) / int64(time.Millisecond))
	}
	p.userNS, p.systemNS = r.shares()
	p.end.readBytes, p.end.writtenBytes = r.readBytes, r.written
	// The kernel keeps one peak for all that the process was. Where the program
	// stayed below what its parent had, its own is not known.
	if p.rssBytes = 0; r.rssPages > p.rssBefore {
		p.rssBytes = r.rssPages * t.pageSize
	}
	if p.uid != r.uid {
		p.uid = r.uid
		p.user.name, p.user.sid = t.accounts.Find(r.uid)
	}
}

// stopped reports an end and frees the process's place.
func (t *traced) stopped(key uint64, p *process) {
	delete(t.living, key)
	if p.told {
		p.settle()
		t.report.stopped(p.endMS, p, p.end)
	}
	if len(t.spare) < maxFree {
		t.spare = append(t.spare, p)
	}
}

func (t *traced) exec(r *record, key uint64, p *process) {
	if p == nil {
		if p = t.place(key); p == nil {
			return
		}
		*p = process{pid: r.pid, key: key, started: r.start, uidKnown: true}
		if r.parent != 0 {
			p.parent = keyAt(r.parentStart, r.parent)
		}
	}
	p.uid, p.rssBefore = r.uid, r.rssPages
	p.user.name, p.user.sid = t.accounts.Find(r.uid)
	t.path = appendPath(t.path[:0], r.parts)
	if r.cut {
		p.prog = t.programOf(r)
	} else {
		p.prog = t.programs.path(t.path)
	}
	t.report.started(t.unixMS(r.at), p, false)
}

// programOf finds a path that did not fit into its record. Where the process is
// gone the name alone is known: half a path would name another file.
func (t *traced) programOf(r *record) *program {
	if stat, err := t.proc.Stat(r.pid); err == nil && procfs.Key(stat.StartTicks, r.pid) == keyAt(r.start, r.pid) {
		if path, err := t.proc.Exe(r.pid); err == nil {
			return t.programs.path(path)
		}
	}
	return t.programs.named(lastPart(r.parts))
}

// place returns a place for a process in the table, or nil where it is full.
func (t *traced) place(key uint64) *process {
	if len(t.living) >= maxProcesses {
		t.env.Stats.AddLost(1)
		return nil
	}
	var p *process
	if n := len(t.spare); n > 0 {
		p, t.spare = t.spare[n-1], t.spare[:n-1]
	} else {
		p = new(process)
	}
	t.living[key] = p
	return p
}

// afterRead closes a read of the ring: it reports who has exited and is not
// waited for, and compares with /proc where records were lost.
func (t *traced) afterRead() error {
	t.syncClock()
	t.reads++
	kept := t.exited[:0]
	for _, e := range t.exited {
		p := t.living[e.key]
		switch {
		case p == nil || !p.ended: // its last record came
		case t.reads-e.read > waitedFor:
			t.stopped(e.key, p)
		default:
			kept = append(kept, e)
		}
	}
	t.exited = kept
	lost, err := t.loaded.Lost()
	if err != nil || lost == 0 {
		return err
	}
	t.env.Stats.AddLost(lost)
	return t.list(false)
}

// list takes over what runs, and reports as ended what the table has and /proc
// has not.
func (t *traced) list(inventory bool) error {
	pids, err := t.proc.Pids()
	if err != nil {
		return err
	}
	t.scans++
	for _, pid := range pids {
		stat, err := t.proc.Stat(pid)
		if err != nil {
			continue
		}
		key := procfs.Key(stat.StartTicks, pid)
		p := t.living[key]
		if p == nil {
			if p = t.found(key, pid); p == nil {
				continue
			}
			if !t.kernel(p) {
				t.report.started(time.Now().UnixMilli(), p, inventory)
			}
		}
		p.scan = t.scans
	}
	now := time.Now().UnixMilli()
	for key, p := range t.living {
		if p.scan != t.scans && !p.ended {
			p.endMS = now
			p.end = ending{lifetimeMS: uint64(max(0, now-t.unixMS(p.started)))}
			t.stopped(key, p)
		}
	}
	return t.loaded.Set("listed_at", uint64(kernel.SinceBoot()))
}

// found enters a process of which no record came.
func (t *traced) found(key uint64, pid uint32) *process {
	read := t.load(pid)
	if read == nil || read.key != key {
		return nil // gone meanwhile
	}
	p := t.place(key)
	if p == nil {
		return nil
	}
	*p = *read
	p.started += t.clock.suspended // here times count from boot
	p.seen += t.clock.suspended
	return p
}
