package process

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// watch is the table of living processes and what is needed to fill it. The
// rungs NETLINK and POLL share it.
type watch struct {
	env      collectors.Env
	proc     *procfs.Reader
	accounts *procfs.Accounts
	programs programs
	report   *reporter
	table    map[uint32]*process
	scans    uint32
	pageSize uint64
	clock    clock
	settle   int64 // how old a process must be to be taken over by a scan
}

func newWatch(env collectors.Env, emit collectors.Emit, rung eventv1.Rung) *watch {
	return &watch{
		env:      env,
		proc:     procfs.NewReader(env.ProcRoot),
		accounts: procfs.NewAccounts(""),
		programs: make(programs),
		report:   newReporter(emit, rung),
		table:    make(map[uint32]*process),
		pageSize: uint64(unix.Getpagesize()),
	}
}

// clock relates the kernel's clocks to each other.
type clock struct {
	read      time.Time
	wallMS    int64 // wall clock less monotonic clock, in milliseconds
	suspended int64 // time since boot less monotonic clock, in nanoseconds
}

// refresh reads the clocks, at most once a second: the offsets change only when
// the device slept or its time was set.
func (c *clock) refresh() {
	if now := time.Now(); now.Sub(c.read) >= time.Second {
		mono := gettime(unix.CLOCK_MONOTONIC)
		c.suspended = gettime(unix.CLOCK_BOOTTIME) - mono
		c.wallMS = now.UnixMilli() - mono/int64(time.Millisecond)
		c.read = now
	}
}

func (c *clock) unixMS(mono int64) int64 { return mono/int64(time.Millisecond) + c.wallMS }

func gettime(id int32) int64 {
	var ts unix.Timespec
	if unix.ClockGettime(id, &ts) != nil {
		return 0
	}
	return ts.Nano()
}

const tick = int64(time.Second) / procfs.TicksPerSecond

// put enters p into the table. It reports false where the table is full.
func (w *watch) put(p *process) bool {
	if len(w.table) >= maxProcesses && w.table[p.pid] == nil {
		w.env.Stats.AddLost(1)
		return false
	}
	w.table[p.pid] = p
	return true
}

// load reads /proc for a process that the table does not know. It returns nil
// where the process is gone.
func (w *watch) load(pid uint32) *process {
	stat, err := w.proc.Stat(pid)
	if err != nil {
		return nil
	}
	w.clock.refresh()
	p := &process{pid: pid, key: procfs.Key(stat.StartTicks, pid), seen: gettime(unix.CLOCK_MONOTONIC)}
	p.started = int64(stat.StartTicks)*tick - w.clock.suspended
	w.usage(p, stat)
	kernel := stat.KernelThread()
	p.prog = w.programs.named(stat.Name)
	if stat.Parent != 0 {
		p.parent = w.keyOf(stat.Parent)
	}
	if kernel {
		return p
	}
	if path, err := w.proc.Exe(pid); err == nil {
		p.prog = w.programs.path(path)
	}
	w.loadUser(p)
	return p
}

func (w *watch) loadUser(p *process) {
	if uid, err := w.proc.UID(p.pid); err == nil {
		p.uid, p.uidKnown = uid, true
	}
	w.name(p)
}

// name finds the account's name. A user that nobody could tell stays empty.
func (w *watch) name(p *process) {
	if p.uidKnown {
		p.user.name, p.user.sid = w.accounts.Find(p.uid)
	}
}

func (w *watch) keyOf(pid uint32) uint64 {
	if p := w.table[pid]; p != nil {
		return p.key
	}
	if stat, err := w.proc.Stat(pid); err == nil {
		return procfs.Key(stat.StartTicks, pid)
	}
	return 0
}

// usage takes over what a process used so far. The memory is the most that was
// seen at a reading: /proc has no figure of the peak that is as cheap.
func (w *watch) usage(p *process, stat procfs.Stat) {
	const ms = 1000 / procfs.TicksPerSecond
	p.cpuUserMS, p.cpuSystemMS = stat.UserTicks*ms, stat.SystemTicks*ms
	p.rssBytes = max(p.rssBytes, stat.RSSPages*w.pageSize)
}

// scan compares the table with /proc and reports who came and who went. Where
// all is set it reads every process's figures again, and so also finds a pid
// that was used anew; else it reads only pids that it does not know.
func (w *watch) scan(all, inventory bool) error {
	pids, err := w.proc.Pids()
	if err != nil {
		return err
	}
	w.scans++
	w.clock.refresh()
	now := time.Now().UnixMilli()
	for _, pid := range pids {
		p := w.table[pid]
		if p != nil && all && !w.refresh(p) {
			w.ended(now, p, ending{})
			p = nil
		}
		if p == nil {
			if p = w.load(pid); p == nil || !inventory && p.seen-p.started < w.settle || !w.put(p) {
				continue
			}
			if !w.kernel(p) {
				w.report.started(now, p, inventory)
			}
		}
		p.scan = w.scans
	}
	for _, p := range w.table {
		if p.scan != w.scans {
			w.ended(now, p, ending{})
		}
	}
	return nil
}

// kernel reports whether p is a part of the kernel: only those have no program
// file and no account.
func (w *watch) kernel(p *process) bool { return p.prog.path == "" && !p.uidKnown }

// refresh reads the figures of p. It reports false where its pid is another's
// now. A process that cannot be read is left to the end of the scan.
func (w *watch) refresh(p *process) bool {
	stat, err := w.proc.Stat(p.pid)
	if err != nil {
		return true
	}
	if procfs.Key(stat.StartTicks, p.pid) != p.key {
		// A key that was made from the time of the fork may be a tick off.
		if d := int64(stat.StartTicks) - int64(p.key>>22); d < -1 || d > 1 {
			return false
		}
	}
	w.usage(p, stat)
	return true
}

// figures reads those of every process that was reported.
func (w *watch) figures() {
	for _, p := range w.table {
		if p.told {
			w.refresh(p)
		}
	}
}

// ended takes p out of the table and reports its stop, where its start was.
func (w *watch) ended(atMS int64, p *process, end ending) {
	delete(w.table, p.pid)
	if !p.told {
		return
	}
	if end.lifetimeMS == 0 && p.started != 0 {
		end.lifetimeMS = uint64(max(0, atMS-w.clock.unixMS(p.started)))
	}
	w.report.stopped(atMS, p, end)
}

// gone reports whether err says that a process is no longer there.
func gone(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) }
