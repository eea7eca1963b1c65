//go:build linux

package main

import (
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	gops "github.com/shirou/gopsutil/v3/process"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/process"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// seen is what a watcher tells of one process.
type seen struct {
	Pid, Parent uint32
	Path, UID   string
	Code        int32
	Signal      uint32
	CPU         time.Duration
	Stopped     bool
}

type sight struct {
	Rung string
	Lost uint64
	Seen []seen
}

// watchProcesses runs the collector on a rung.
func watchProcesses(ctx context.Context, rung string, ready func(), out *gob.Encoder) error {
	var stats collectors.Stats
	c, err := process.New(collectors.Env{
		Log:   slog.New(slog.NewTextHandler(io.Discard, nil)),
		Stats: &stats,
		Rung:  eventv1.Rung(eventv1.Rung_value["RUNG_"+strings.ToUpper(rung)]),
		Keeps: func(privacyv1.Class) bool { return true },
	})
	if err != nil {
		return err
	}
	seenOf := map[uint64]*seen{}
	self := uint32(os.Getpid())
	err = c.Run(ctx, func(e *eventv1.Event) {
		if s := e.GetProcessStart(); s != nil {
			if s.GetPid() == self {
				ready()
			}
			if s.GetInventory() {
				return
			}
			seenOf[s.GetStartKey()] = &seen{Pid: s.GetPid(), Parent: pidOf(s.GetParentStartKey()), Path: s.GetProgram().GetPath(), UID: s.GetUser().GetSid()}
		}
		if s := e.GetProcessStop(); s != nil {
			if p := seenOf[s.GetStartKey()]; p != nil {
				p.Stopped, p.Code, p.Signal = true, s.GetExitCode(), s.GetSignal()
				p.CPU = time.Duration(s.GetCpuUserMs()+s.GetCpuSystemMs()) * time.Millisecond
			}
		}
	})
	if err != nil {
		return err
	}
	result := sight{Rung: stats.Rung().String(), Lost: stats.Lost()}
	for _, p := range seenOf {
		result.Seen = append(result.Seen, *p)
	}
	return out.Encode(result)
}

// pidOf returns the pid in a start key.
func pidOf(key uint64) uint32 { return uint32(key & (1<<22 - 1)) }

// pollProcesses is the peer: it lists all processes by gopsutil once a second,
// with their details where they are new, and the figures that a poller reports.
func pollProcesses(ctx context.Context, ready func(), out *gob.Encoder) error {
	known := map[int32]bool{}
	result := sight{Rung: "gopsutil poller, 1 s"}
	look := func(first bool) {
		list, _ := gops.ProcessesWithContext(ctx)
		now := make(map[int32]bool, len(list))
		for _, p := range list {
			now[p.Pid] = true
			_, _ = p.Times()
			_, _ = p.MemoryInfo()
			if first || known[p.Pid] {
				continue
			}
			s := seen{Pid: uint32(p.Pid)}
			s.Path, _ = p.Exe()
			if parent, err := p.Ppid(); err == nil {
				s.Parent = uint32(parent)
			}
			if uids, err := p.Uids(); err == nil && len(uids) > 0 {
				s.UID = strconv.Itoa(int(uids[0]))
			}
			result.Seen = append(result.Seen, s)
		}
		known = now
	}
	look(true)
	ready()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return out.Encode(result)
		case <-ticker.C:
			look(false)
		}
	}
}

// score is how much of the truth was seen.
type score struct {
	all, seen, path, uid, parent, code int
	cpuSeen, cpuTrue                   time.Duration
}

// compare holds what was seen against what ran. A pid counts once: what the
// workload did not start is not looked at.
func compare(truth []ran, got []seen) score {
	self := uint32(os.Getpid())
	by := make(map[uint32]seen, len(got))
	for _, s := range got {
		if s.Parent == self || by[s.Pid].Pid == 0 {
			by[s.Pid] = s
		}
	}
	sc := score{all: len(truth)}
	for _, r := range truth {
		sc.cpuTrue += r.cpu
		s, ok := by[uint32(r.pid)]
		if !ok {
			continue
		}
		sc.seen++
		sc.cpuSeen += s.CPU
		count(&sc.path, s.Path == r.path)
		count(&sc.uid, s.UID == strconv.Itoa(r.uid))
		count(&sc.parent, s.Parent == self)
		count(&sc.code, s.Stopped && s.Code == int32(r.code) && s.Signal == 0)
	}
	return sc
}

func count(n *int, yes bool) {
	if yes {
		*n++
	}
}

func (s score) String() string {
	share := func(n int) string { return fmt.Sprintf("%6.2f %%", 100*float64(n)/float64(s.all)) }
	cpu := "     -"
	if s.cpuSeen > 0 {
		cpu = fmt.Sprintf("%+5.1f %%", 100*(s.cpuSeen.Seconds()/s.cpuTrue.Seconds()-1))
	}
	return fmt.Sprintf("seen %s  path %s  uid %s  parent %s  exit code %s  CPU time off by %s",
		share(s.seen), share(s.path), share(s.uid), share(s.parent), share(s.code), cpu)
}
