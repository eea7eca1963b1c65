package connection

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/netlink"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

const (
	// dumpEvery is how often the open connections are asked for. What closes is
	// kept for us by the kernel meanwhile: nothing is missed, and nothing wakes
	// us between. A connection that lives for less has no owner unless it came
	// to one of our listeners.
	dumpEvery = 5 * time.Second
	// smallEvery is the same where the kernel grants us only a small buffer, as
	// it does without CAP_NET_ADMIN: some 100 closed connections fill it.
	smallEvery   = 500 * time.Millisecond
	smallBuffer  = 2 << 20
	interimEvery = time.Minute
	// restDumps is how many looks may pass without a dump where no socket came
	// or went: their figures are needed only for the interim report.
	restDumps = 12

	closedBuffer = 8 << 20 // some 8,000 connections that closed between two looks
	dumpBuffer   = 256 << 10
	// closedGroups are the multicast groups 1 to 4: TCP and UDP sockets that
	// are destroyed, for IPv4 and IPv6.
	closedGroups = 0xf
	answerWithin = 10 * time.Second
)

// diag is the rung NETLINK: sock_diag.
type diag struct {
	env    collectors.Env
	every  time.Duration
	closed *netlink.Socket // says what was closed
	ask    *netlink.Socket // answers dumps
	track  *tracker
	owners *owners
	inUse  *counter
	rested int // looks since the last dump
	// unsettled says that something closed at the last look, or that an owner
	// is still looked for.
	unsettled bool
	buf       []byte
	one       socket // the one that is parsed: kept here, for a callback makes it escape
}

func openDiag(env collectors.Env) (source, error) { return newDiag(env, closedBuffer) }

func newDiag(env collectors.Env, buffer int) (*diag, error) {
	closed, err := netlink.OpenPolled(unix.NETLINK_SOCK_DIAG, closedGroups, buffer)
	if err != nil {
		return nil, fmt.Errorf("closed connections: %w", err)
	}
	ask, err := netlink.Open(unix.NETLINK_SOCK_DIAG, 0, dumpBuffer)
	if err != nil {
		closed.Close()
		return nil, fmt.Errorf("open connections: %w", err)
	}
	d := &diag{env: env, every: dumpEvery, closed: closed, ask: ask, inUse: openCounter(env), buf: make([]byte, 32<<10)}
	if closed.Buffer() < smallBuffer {
		d.every = smallEvery
	}
	// A kernel without the module tcp_diag is found here.
	if err := d.each(familyIPv4, protocolTCP, 1<<stateListen, func(*socket) {}); err != nil {
		d.close()
		return nil, fmt.Errorf("open connections: %w", err)
	}
	return d, nil
}

func (d *diag) close() {
	d.closed.Close()
	d.ask.Close()
	d.inUse.close()
}

func (d *diag) run(ctx context.Context, emit collectors.Emit) error {
	defer d.close()
	d.track = newTracker(emit, d.env, eventv1.Rung_RUNG_NETLINK)
	d.track.synRetries = synRetries(d.env.ProcRoot)
	d.owners = newOwners(d.env)
	stop := context.AfterFunc(ctx, d.ask.Interrupt)
	defer stop()
	ticker := time.NewTicker(d.every)
	defer ticker.Stop()
	var interim time.Time
	for {
		now := time.Now()
		due := now.Sub(interim) >= interimEvery
		if due {
			d.track.ownAddresses()
		}
		if err := d.step(now, due); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if due {
			d.track.interim(now)
			interim = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// step looks where that can tell something new, and else only takes what was
// closed.
func (d *diag) step(now time.Time, due bool) error {
	d.rested++
	if !d.inUse.changed() && !d.unsettled && !due && d.rested < restDumps {
		return d.drain(now)
	}
	d.rested = 0
	return d.look(now)
}

// look asks for the open connections, finds the owners of new ones, and then
// takes what was closed: in this order a connection that was seen once has its
// owner when its end is reported.
func (d *diag) look(now time.Time) error {
	d.track.begin()
	for _, ask := range [...]struct {
		family, protocol uint8
		states           uint32
	}{
		{familyIPv4, protocolTCP, openStates},
		{familyIPv6, protocolTCP, openStates},
		{familyIPv4, protocolUDP, 1 << stateEstablished},
		{familyIPv6, protocolUDP, 1 << stateEstablished},
	} {
		err := d.each(ask.family, ask.protocol, ask.states, func(s *socket) { d.track.see(s, ask.protocol, now) })
		// A device without IPv6, or without udp_diag, has nothing to tell of it.
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("ask for open connections: %w", err)
		}
	}
	d.track.end(now)
	d.owners.find(d.track)
	return d.drain(now)
}

// each calls found with every socket that a dump tells of.
func (d *diag) each(family, protocol uint8, states uint32, found func(*socket)) error {
	var request [netlink.HeaderSize + requestSize]byte
	if err := d.ask.Send(appendRequest(request[:0], family, protocol, states)); err != nil {
		return err
	}
	if d.track == nil { // in run, only Interrupt sets the deadline
		if err := d.ask.SetDeadline(time.Now().Add(answerWithin)); err != nil {
			return err
		}
		defer d.ask.SetDeadline(time.Time{})
	}
	for {
		n, err := d.ask.Receive(d.buf)
		if err != nil {
			return err
		}
		for b := d.buf[:n]; ; {
			m, rest, ok := netlink.Next(b)
			if !ok {
				break
			}
			b = rest
			switch m.Type {
			case netlink.TypeDone:
				return nil
			case netlink.TypeError:
				return unix.Errno(netlink.ErrorNumber(m.Data))
			}
			if d.one, ok = parseSocket(m.Data); ok {
				found(&d.one)
			}
		}
	}
}

// drain takes what was closed since the last look.
func (d *diag) drain(now time.Time) error {
	d.unsettled = d.track.looking()
	for {
		n, err := d.closed.Poll(d.buf)
		switch {
		case errors.Is(err, unix.ENOBUFS):
			d.env.Stats.AddLost(uint64(max(1, d.closed.Dropped())))
			d.track.overrun()
			d.unsettled = true
			continue
		case err != nil:
			return fmt.Errorf("read closed connections: %w", err)
		case n == 0:
			return nil
		}
		d.unsettled = true
		for b := d.buf[:n]; ; {
			m, rest, ok := netlink.Next(b)
			if !ok {
				break
			}
			b = rest
			if d.one, ok = parseSocket(m.Data); ok {
				d.track.closed(&d.one, now)
			}
		}
	}
}

// synRetries returns how often the kernel sends a SYN again before it gives up.
func synRetries(root string) uint64 {
	if root == "" {
		root = "/proc"
	}
	const usual = 6
	text, err := os.ReadFile(root + "/sys/net/ipv4/tcp_syn_retries")
	if err != nil {
		return usual
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 8)
	if err != nil {
		return usual
	}
	return n
}
