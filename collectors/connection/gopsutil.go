//go:build linux || windows

package connection

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	gnet "github.com/shirou/gopsutil/v3/net"
	gops "github.com/shirou/gopsutil/v3/process"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// gopsutil is the bottom rung: the list of connections, compared with the last
// one. It knows no bytes, times or outcomes, and not what lives for less than
// the interval.
type gopsutil struct {
	env    collectors.Env
	every  time.Duration
	users  users
	track  *tracker
	owners map[int32]*owner // of this look
	names  cookies[connKey]
}

// connKey stands for the kernel's cookie, which this source does not tell.
type connKey struct {
	protocol      uint8
	local, remote netip.AddrPort
	pid           int32
}

// The types of socket that gopsutil tells (socket(2)).
const (
	typeStream   = 1
	typeDatagram = 2
)

func openGopsutil(env collectors.Env) (source, error) {
	if _, err := gnet.Connections("tcp4"); err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	return &gopsutil{env: env, every: gopsutilEvery, users: newUsers()}, nil
}

func (g *gopsutil) run(ctx context.Context, emit collectors.Emit) error {
	g.track = newTracker(emit, g.env, eventv1.Rung_RUNG_GOPSUTIL)
	g.track.untold = true
	ticker := time.NewTicker(g.every)
	defer ticker.Stop()
	for {
		if err := g.look(ctx, time.Now()); err != nil {
			if ctx.Err() != nil {
				return nil
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

func (g *gopsutil) look(ctx context.Context, now time.Time) error {
	list, err := gnet.ConnectionsWithContext(ctx, "inet")
	if err != nil {
		return fmt.Errorf("list connections: %w", err)
	}
	g.owners = make(map[int32]*owner)
	g.names.begin()
	g.track.begin()
	for _, c := range list {
		s, protocol, ok := socketOf(c)
		if !ok {
			continue
		}
		s.cookie, _ = g.names.of(connKey{protocol, s.local, s.remote, c.Pid})
		g.track.see(&s, protocol, now)
		if f := g.track.flows[s.cookie]; f != nil && f.owner == nil && c.Pid != 0 {
			f.owner = g.owner(ctx, c.Pid)
		}
	}
	g.names.end()
	g.track.end(now)
	return nil
}

// socketOf reads one line of the list. It reports false for what is no open
// connection and no listener.
func socketOf(c gnet.ConnectionStat) (socket, uint8, bool) {
	protocol := uint8(protocolTCP)
	s := socket{state: stateEstablished}
	switch {
	case c.Type == typeDatagram:
		protocol = protocolUDP
	case c.Type != typeStream:
		return s, 0, false
	case c.Status == "LISTEN":
		s.state = stateListen
	case c.Status == "TIME_WAIT", c.Status == "CLOSE", c.Status == "CLOSED", c.Status == "DELETE", c.Status == "SYN_RECV":
		return s, 0, false
	}
	local, err := netip.ParseAddr(c.Laddr.IP)
	if err != nil {
		return s, 0, false
	}
	s.local = netip.AddrPortFrom(local.Unmap(), uint16(c.Laddr.Port))
	if s.state == stateListen {
		return s, protocol, true
	}
	remote, err := netip.ParseAddr(c.Raddr.IP)
	if err != nil || c.Raddr.Port == 0 {
		return s, 0, false
	}
	s.remote = netip.AddrPortFrom(remote.Unmap(), uint16(c.Raddr.Port))
	return s, protocol, true
}

func (g *gopsutil) owner(ctx context.Context, pid int32) *owner {
	if o := g.owners[pid]; o != nil {
		return o
	}
	p := &gops.Process{Pid: pid}
	o := &owner{}
	if path, err := p.ExeWithContext(ctx); err == nil && path != "" {
		o.name, o.path = baseName(path), path
	} else if name, err := p.NameWithContext(ctx); err == nil {
		o.name = name
	}
	o.user, o.sid = g.users.of(ctx, p)
	g.owners[pid] = o
	return o
}
