//go:build linux

package main

import (
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	gnet "github.com/shirou/gopsutil/v3/net"
	gops "github.com/shirou/gopsutil/v3/process"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/connection"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// end is one end of a connection, as a watcher tells of it.
type end struct {
	Inbound, UDP        bool
	Port                uint32
	Out, In             uint64
	PacketsOut, Packets uint64
	RTT                 uint64
	Outcome             eventv1.Outcome
	Path, UID           string
}

type ends struct {
	Rung string
	Lost uint64
	Seen []end
}

// watchConnections runs the collector on a rung.
func watchConnections(ctx context.Context, rung string, ready func(), out *gob.Encoder) error {
	var stats collectors.Stats
	c, err := connection.New(collectors.Env{
		Log:   slog.New(slog.NewTextHandler(io.Discard, nil)),
		Stats: &stats,
		Rung:  eventv1.Rung(eventv1.Rung_value["RUNG_"+strings.ToUpper(rung)]),
		Keeps: func(privacyv1.Class) bool { return true },
	})
	if err != nil {
		return err
	}
	go func() {
		for stats.Rung() == eventv1.Rung_RUNG_UNSPECIFIED && ctx.Err() == nil {
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Second) // its first look
		ready()
	}()
	var seen []end
	err = c.Run(ctx, func(e *eventv1.Event) {
		c := e.GetConnection()
		if c.GetInterim() {
			return // the loads are short: what a survey saw of one comes twice, and is not added here
		}
		seen = append(seen, end{
			Inbound: c.GetDirection() == eventv1.Direction_DIRECTION_INBOUND, UDP: c.GetTransport() == eventv1.Transport_TRANSPORT_UDP,
			Port: c.GetPort(), Out: c.GetBytesOut(), In: c.GetBytesIn(), PacketsOut: c.GetSegmentsOut(), Packets: c.GetSegmentsIn(),
			RTT: c.GetRttAvgUs(), Outcome: c.GetOutcome(), Path: c.GetProgram().GetPath(), UID: c.GetUser().GetSid(),
		})
	})
	if err != nil {
		return err
	}
	return out.Encode(ends{stats.Rung().String(), stats.Lost(), seen})
}

// pollConnections is the peer: it lists all connections by gopsutil once a
// second, with the program of each that is new.
func pollConnections(ctx context.Context, ready func(), out *gob.Encoder) error {
	type key struct {
		local, remote gnet.Addr
		kind          uint32
		pid           int32
	}
	known, result := map[key]bool{}, ends{Rung: "gopsutil poller, 1 s"}
	ports := map[uint32]bool{}
	look := func(first bool) {
		list, _ := gnet.ConnectionsWithContext(ctx, "inet")
		now := make(map[key]bool, len(list))
		for _, c := range list {
			if c.Status == "LISTEN" {
				ports[c.Laddr.Port] = true
			}
			k := key{c.Laddr, c.Raddr, c.Type, c.Pid}
			now[k] = true
			if first || known[k] || c.Raddr.Port == 0 {
				continue
			}
			e := end{Port: c.Raddr.Port, UDP: c.Type == 2}
			if ports[c.Laddr.Port] {
				e.Inbound, e.Port = true, c.Laddr.Port
			}
			if c.Pid != 0 {
				p := &gops.Process{Pid: c.Pid}
				e.Path, _ = p.Exe()
				if uids, err := p.Uids(); err == nil && len(uids) > 0 {
					e.UID = strconv.Itoa(int(uids[0]))
				}
			}
			result.Seen = append(result.Seen, e)
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

// netScore is how much of the truth was seen.
type netScore struct {
	all, seen, owner, bytes, rtt, outcome int
}

// of counts ends: each true one takes one that was seen and is as like to it as
// there is.
func (s *netScore) of(truth []trueEnd, got []end) {
	type place struct {
		inbound bool
		port    uint32
	}
	type figures struct{ out, in uint64 }
	exact, loose := map[place]map[figures][]end{}, map[place][]end{}
	for _, e := range got {
		p := place{e.Inbound, e.Port}
		if exact[p] == nil {
			exact[p] = map[figures][]end{}
		}
		f := figures{e.Out, e.In}
		exact[p][f] = append(exact[p][f], e)
	}
	var rest []trueEnd
	s.all += len(truth)
	for _, t := range truth {
		p, f := place{t.inbound, t.port}, figures{t.out, t.in}
		list := exact[p][f]
		if len(list) == 0 {
			rest = append(rest, t)
			continue
		}
		exact[p][f] = list[1:]
		s.bytes++
		s.one(t, list[0])
	}
	for p, by := range exact {
		for _, list := range by {
			loose[p] = append(loose[p], list...)
		}
	}
	for _, t := range rest {
		p := place{t.inbound, t.port}
		if list := loose[p]; len(list) > 0 {
			loose[p] = list[1:]
			s.one(t, list[0])
		}
	}
}

func (s *netScore) one(t trueEnd, e end) {
	s.seen++
	count(&s.owner, e.Path == t.path && e.UID == t.uid)
	count(&s.rtt, e.RTT > 0)
	count(&s.outcome, e.Outcome == t.outcome)
}

func (s netScore) String() string {
	share := func(n int) string { return fmt.Sprintf("%6.2f %%", 100*float64(n)/float64(max(1, s.all))) }
	return fmt.Sprintf("seen %s  right process %s  exact bytes %s  RTT %s  outcome %s",
		share(s.seen), share(s.owner), share(s.bytes), share(s.rtt), share(s.outcome))
}
