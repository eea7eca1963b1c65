//go:build linux || windows

package process

import (
	"context"
	"fmt"
	"time"

	gops "github.com/shirou/gopsutil/v3/process"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// gopsutil is the bottom rung: the list of pids from gopsutil, compared with
// the last one. Each process is asked for its details once, because those calls
// are dear; so a pid that was used anew between two looks is not noticed.
type gopsutil struct {
	env    collectors.Env
	every  time.Duration
	keys   keys
	report *reporter
	table  map[int32]*process
	scans  uint32
}

// young is how old a process must be to be taken for what it is: start times
// come in whole seconds, from a boot time that is rounded too.
const young = 3 * time.Second

func openGopsutil(env collectors.Env) (source, error) {
	if _, err := gops.Pids(); err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	k, err := newKeys()
	if err != nil {
		return nil, err
	}
	return &gopsutil{env: env, every: gopsutilEvery, keys: k, table: make(map[int32]*process)}, nil
}

func (g *gopsutil) run(ctx context.Context, emit collectors.Emit) error {
	g.report = newReporter(emit, eventv1.Rung_RUNG_GOPSUTIL)
	if err := g.scan(ctx, true); err != nil {
		return ignoreDone(ctx, err)
	}
	ticker := time.NewTicker(g.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := g.scan(ctx, false); err != nil {
				return ignoreDone(ctx, err)
			}
		}
	}
}

func ignoreDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (g *gopsutil) scan(ctx context.Context, inventory bool) error {
	pids, err := gops.PidsWithContext(ctx)
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	g.scans++
	now := time.Now().UnixMilli()
	for _, pid := range pids {
		p := g.table[pid]
		if p == nil {
			if len(g.table) >= maxProcesses {
				g.env.Stats.AddLost(1)
				continue
			}
			if p = g.load(ctx, pid); p == nil {
				continue
			}
			g.table[pid] = p
			if p.prog.name != "" {
				g.report.started(now, p, inventory)
			}
		}
		p.scan = g.scans
	}
	for pid, p := range g.table {
		if p.scan == g.scans {
			continue
		}
		delete(g.table, pid)
		if p.told {
			g.report.stopped(now, p, ending{lifetimeMS: uint64(max(0, now-p.started))})
		}
	}
	return nil
}

// load asks for the details of a process. It returns nil where it is gone. A
// part of the kernel comes back without a name.
func (g *gopsutil) load(ctx context.Context, pid int32) *process {
	ask := &gops.Process{Pid: pid}
	created, err := ask.CreateTimeWithContext(ctx)
	if err != nil {
		created = 0 // protected processes do not tell
	}
	p := &process{pid: uint32(pid), prog: &program{}, started: created}
	if created != 0 {
		p.key = procfs.Key(g.keys.ticks(created), uint32(pid))
	}
	parent, _ := ask.PpidWithContext(ctx)
	if of := g.table[parent]; of != nil {
		p.parent = of.key
	}
	if partOfKernel(pid, parent) {
		return p
	}
	if path, err := ask.ExeWithContext(ctx); err == nil && path != "" {
		*p.prog = program{name: baseName(path), path: path}
	} else if name, err := ask.NameWithContext(ctx); err == nil {
		p.prog.name = name
	} else {
		return nil
	}
	// A child of fork that has not called exec yet still has its parent's
	// program and account. Where that may be so the next look takes it.
	if of := g.table[parent]; of != nil && p.prog.path == of.prog.path && time.Since(time.UnixMilli(created)) < young {
		return nil
	}
	p.user, p.session = g.keys.owner(ctx, ask)
	return p
}
