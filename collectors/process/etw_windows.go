package process

import (
	"context"
	"sync"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/etw"
	"github.com/discreet-agent/discreet/collectors/nt"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rereadEvery is how often a snapshot stands beside the events: it brings the
// figures of processes that may not be opened, and finds whose start or end was lost.
const rereadEvery = 5 * time.Minute

// traced is the rung ETW: the kernel tells of each start and end. It tells within a
// second, so of a program that lived for less neither account nor CPU time is known.
type traced struct {
	env     collectors.Env
	session *etw.Session
	reader  nt.Reader
	asker   asker
	drives  nt.Drives
	mu      sync.Mutex // guards table: events come on a thread of the system
	table   *table
}

func openETW(env collectors.Env) (source, error) {
	session, err := etw.Open("Discreet-process", etw.KernelProcess())
	if err != nil {
		return nil, err
	}
	return &traced{env: env, session: session, asker: asker{nt.NewAccounts()}, drives: nt.ReadDrives()}, nil
}

// run takes a snapshot and then the events, which are kept since the session is
// open: what both tell counts once.
func (s *traced) run(ctx context.Context, emit collectors.Emit) error {
	s.table = newTable(s.env.Stats, newReporter(emit, eventv1.Rung_RUNG_ETW), s.asker.ask)
	defer s.table.close()
	if err := s.table.look(s.reader.Processes, true, true); err != nil {
		s.session.Close()
		return err
	}
	return s.session.RunBeside(ctx, s.take, s.env.Stats.AddLost, s.reread)
}

func (s *traced) reread(ctx context.Context) error {
	ticker := time.NewTicker(rereadEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			s.mu.Lock()
			s.drives = nt.ReadDrives()
			err := s.table.look(s.reader.Processes, false, true)
			s.mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
}

func (s *traced) take(e *etw.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := etw.ParseStarted(e); ok {
		s.table.start(p.PID, p.Parent, p.Session, p.Created, nt.BaseName(p.Image), s.drives.Path(p.Image))
	} else if p, ok := etw.ParseStopped(e); ok {
		s.table.stop(p.PID, nt.Figures{Created: p.Created, Ended: p.Ended, Code: p.Code, ReadBytes: p.ReadBytes, WrittenBytes: p.WrittenBytes})
	}
}
