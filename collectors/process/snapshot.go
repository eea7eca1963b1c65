package process

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/libproc"
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

const (
	// snapshotEvery: macOS tells nobody without an entitlement of Apple that a
	// program starts, so its list is looked at. What lives for less is not seen.
	snapshotEvery = 5 * time.Second
	// snapshotYoung: a younger process may still be between fork and exec, with the
	// program and the account of its parent. The next look takes it.
	snapshotYoung = 100 * time.Millisecond
)

// lists is the system as snapshots need it.
type lists interface {
	processes() ([]libproc.Process, error)
	// describe finds path and account of a process that is new, and sees to it that
	// its end will be told.
	describe(libproc.Process) (path string, who account)
	// ends calls ended with each end since the last call: the status as wait(2)
	// gives it.
	ends(ended func(pid, status uint32)) error
}

// snapshot compares the list of processes with the last one. How one ended it
// hears from the system, with the next look: a wake-up for each end would cost
// more than the moment is worth.
type snapshot struct {
	env    collectors.Env
	lists  lists
	every  time.Duration
	report *reporter
	table  map[uint32]*process
	starts map[uint32]time.Time
	ended  map[uint32]uint32 // status by pid, of this look
	scans  uint32
}

func newSnapshot(env collectors.Env, l lists) *snapshot {
	return &snapshot{env: env, lists: l, every: snapshotEvery, table: make(map[uint32]*process), starts: make(map[uint32]time.Time), ended: make(map[uint32]uint32)}
}

func (s *snapshot) run(ctx context.Context, emit collectors.Emit) error {
	s.report = newReporter(emit, eventv1.Rung_RUNG_POLL)
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	for inventory := true; ; inventory = false {
		if err := s.scan(time.Now(), inventory); err != nil {
			if errors.Is(err, fs.ErrPermission) {
				return errors.Join(collectors.ErrDenied, err)
			}
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// scan is one look.
func (s *snapshot) scan(now time.Time, inventory bool) error {
	// Before the list: an end that is told and still listed is a zombie, and a pid
	// that is new in the list is not taken for the one that ended.
	if err := s.lists.ends(func(pid, status uint32) { s.ended[pid] = status }); err != nil {
		return err
	}
	list, err := s.lists.processes()
	if err != nil {
		return err
	}
	s.scans++
	for _, found := range list {
		if found.PID == 0 || found.Zombie {
			continue // the kernel itself; and what only waits to be asked how it ended
		}
		p := s.table[found.PID]
		if p != nil && !s.starts[found.PID].Equal(found.Start) {
			s.gone(now, p) // the pid is another's now
			p = nil
		}
		if p == nil {
			if p = s.add(now, found, inventory); p == nil {
				continue
			}
		}
		p.scan = s.scans
	}
	for _, p := range s.table {
		if p.scan != s.scans {
			s.gone(now, p)
		}
	}
	clear(s.ended)
	return nil
}

// add takes a process that is new. It returns nil where it is too young or where
// there is no room.
func (s *snapshot) add(now time.Time, found libproc.Process, inventory bool) *process {
	if age := now.Sub(found.Start); age >= 0 && age < snapshotYoung {
		return nil
	}
	if len(s.table) >= maxProcesses {
		s.env.Stats.AddLost(1)
		return nil
	}
	path, who := s.lists.describe(found)
	p := &process{pid: found.PID, user: who, prog: &program{name: found.Name, path: path}}
	if path != "" {
		p.prog.name = procfs.ProgramName(path)
	}
	// Milliseconds since 1970, not since boot: what counts is that it tells
	// processes with one pid apart.
	p.key = procfs.Key(uint64(found.Start.UnixMilli()), found.PID)
	if parent := s.table[found.Parent]; parent != nil {
		p.parent = parent.key
	}
	s.table[found.PID], s.starts[found.PID] = p, found.Start
	s.report.started(now.UnixMilli(), p, inventory)
	return p
}

// gone reports the end of a process and forgets it.
func (s *snapshot) gone(now time.Time, p *process) {
	var end ending
	if status, told := s.ended[p.pid]; told {
		end = endingOf(status)
		delete(s.ended, p.pid)
	}
	end.lifetimeMS = uint64(max(0, now.Sub(s.starts[p.pid]).Milliseconds()))
	delete(s.table, p.pid)
	delete(s.starts, p.pid)
	s.report.stopped(now.UnixMilli(), p, end)
}
