package process

import (
	"context"
	"fmt"
	"time"

	gops "github.com/shirou/gopsutil/v3/process"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/nt"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: the kernel's events of starts and ends (ETW), else one snapshot of all processes
// every five seconds, else gopsutil.
// Proof: poll and gopsutil run under Wine 8.0, which denies etw; that is compiled, layouts
// compared with the platform's headers, decoders tested on payloads from the published
// manifests, live delivery not tested.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_ETW, eventv1.Rung_RUNG_POLL, eventv1.Rung_RUNG_GOPSUTIL}

func open(rung eventv1.Rung, env collectors.Env) (source, error) {
	switch rung {
	case eventv1.Rung_RUNG_ETW:
		return openETW(env)
	case eventv1.Rung_RUNG_POLL:
		return openSnapshots(env)
	case eventv1.Rung_RUNG_GOPSUTIL:
		return openGopsutil(env)
	}
	return nil, fmt.Errorf("process source: %w", collectors.ErrUnsupported)
}

// pollEvery is Linux's: a look is one call of the system, and what lives for less
// than five seconds is rarely something that a person waits for.
const pollEvery = 5 * time.Second

// snapshots is the rung POLL: it compares one snapshot of all processes with the
// last. Processes that live for less than the interval are not seen.
type snapshots struct {
	env    collectors.Env
	every  time.Duration
	reader nt.Reader
	asker  asker
}

func openSnapshots(env collectors.Env) (source, error) {
	s := &snapshots{env: env, every: pollEvery, asker: asker{nt.NewAccounts()}}
	if err := s.reader.Processes(func(*nt.Process) bool { return false }); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *snapshots) run(ctx context.Context, emit collectors.Emit) error {
	t := newTable(s.env.Stats, newReporter(emit, eventv1.Rung_RUNG_POLL), s.asker.ask)
	defer t.close()
	if err := t.look(s.reader.Processes, true, true); err != nil {
		return err
	}
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := t.look(s.reader.Processes, false, true); err != nil {
				return err
			}
		}
	}
}

// asker asks a process for what no snapshot tells.
type asker struct{ accounts *nt.Accounts }

// ask holds the process from then on. One that is gone, or that has its pid from
// another, tells nothing.
func (a asker) ask(pid uint32, created int64) asked {
	h, err := nt.Hold(pid)
	if err != nil {
		return asked{}
	}
	f, err := h.Figures()
	if err != nil || created != 0 && f.Created != 0 && f.Created != created {
		h.Close()
		return asked{}
	}
	var found asked
	found.held = h
	found.path, _ = h.Path() // a part of the kernel has none
	whose, _ := a.accounts.OfProcess(h)
	found.user = account{whose.Name, whose.SID}
	return found
}

// gopsutilEvery is longer than the interval of the rung POLL: a look costs several
// times as much.
const gopsutilEvery = 10 * time.Second

// keys knows whose a process is.
type keys struct{ accounts *nt.Accounts }

func newKeys() (keys, error) { return keys{nt.NewAccounts()}, nil }

// ticks returns the start time for the start key: here milliseconds since 1970,
// not since boot. What counts is that it tells processes with one pid apart.
func (k keys) ticks(createdMS int64) uint64 { return uint64(createdMS) }

// owner returns the account in a process's token, and its session.
func (k keys) owner(_ context.Context, p *gops.Process) (account, uint32) {
	// Where it cannot be told, 0 is the session of services: right for whatever
	// refuses to tell.
	session, _ := nt.SessionOf(uint32(p.Pid))
	h, err := nt.Hold(uint32(p.Pid))
	if err != nil {
		return account{}, session
	}
	defer h.Close()
	whose, _ := k.accounts.OfProcess(h)
	return account{whose.Name, whose.SID}, session
}

// partOfKernel knows the idle process and the kernel itself.
func partOfKernel(pid, _ int32) bool { return nt.PartOfKernel(uint32(pid)) }

func baseName(path string) string { return nt.BaseName(path) }
