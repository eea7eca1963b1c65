package connection

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/etw"
	"github.com/discreet-agent/discreet/collectors/nt"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

const (
	// sweepEvery is how late an end is told.
	sweepEvery = 5 * time.Second
	// sweepsPerLook: a look at the table is for what events do not tell.
	sweepsPerLook = 12
)

// traced is the rung ETW: the kernel tells of each connection that is made, and of
// all data that passes, UDP's too.
type traced struct {
	env     collectors.Env
	session *etw.Session
	look    looker
	mu      sync.Mutex // guards traffic: events come on a thread of the system
	traffic *traffic
}

func openETW(env collectors.Env) (source, error) {
	session, err := etw.Open("Discreet-connection", etw.KernelNetwork())
	if err != nil {
		return nil, err
	}
	return &traced{env: env, session: session, look: newLooker()}, nil
}

func (s *traced) run(ctx context.Context, emit collectors.Emit) error {
	s.traffic = newTraffic(newTracker(emit, s.env, eventv1.Rung_RUNG_ETW), s.look.owners.of)
	if err := s.reread(time.Now(), true); err != nil {
		s.session.Close()
		return err
	}
	return s.session.RunBeside(ctx, s.take, s.env.Stats.AddLost, s.sweep)
}

// reread looks at what no event tells.
func (s *traced) reread(now time.Time, first bool) error {
	if addrs, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				if own, ok := netip.AddrFromSlice(n.IP); ok {
					s.traffic.track.own(own.Unmap())
				}
			}
		}
	}
	return s.traffic.look(s.look.each, s.look.figures.add, now, first)
}

func (s *traced) sweep(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			s.mu.Lock()
			s.look.owners.forget()
			var err error
			if n%sweepsPerLook == 0 {
				s.traffic.interim(now)
				err = s.reread(now, false)
			}
			if n%sweepsPerLook == 0 || s.traffic.waits() {
				s.traffic.sweep(now)
			}
			s.mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
}

func (s *traced) take(e *etw.Event) {
	if t, ok := etw.ParseTraffic(e); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.traffic.take(&t, timeOf(e))
	}
}

// timeOf returns the time of an event.
func timeOf(e *etw.Event) time.Time { return time.UnixMilli(nt.UnixMS(e.At)) }
