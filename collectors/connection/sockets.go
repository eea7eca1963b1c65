package connection

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/libproc"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// listsEvery: a look is two lists of some hundred lines. What lives for less is
// not seen.
const listsEvery = 10 * time.Second

// socketLists is the system as the lists of sockets need it.
type socketLists interface {
	// sockets returns the list of a protocol, tcp or udp.
	sockets(protocol string) ([]libproc.Socket, error)
	// owner describes the program of a process and the account of a socket.
	owner(pid, uid uint32) *owner
}

// listed compares the lists of sockets with the last ones. They tell who talks to
// whom; bytes, times and outcomes they do not tell in a form that could be relied
// on.
type listed struct {
	env   collectors.Env
	lists socketLists
	track *tracker
	names cookies[listedKey]
}

// listedKey stands for a cookie: a handle names a socket only while it is open.
type listedKey struct {
	protocol      uint8
	handle        uint64
	local, remote netip.AddrPort
}

func newListed(env collectors.Env, l socketLists) *listed {
	return &listed{env: env, lists: l}
}

func (l *listed) run(ctx context.Context, emit collectors.Emit) error {
	l.begin(emit)
	ticker := time.NewTicker(listsEvery)
	defer ticker.Stop()
	for {
		if err := l.look(time.Now()); err != nil {
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

func (l *listed) begin(emit collectors.Emit) {
	l.track = newTracker(emit, l.env, eventv1.Rung_RUNG_POLL)
	l.track.untold = true
}

// look takes both lists. The owner is asked for once for each connection.
func (l *listed) look(now time.Time) error {
	l.names.begin()
	l.track.begin()
	for name, protocol := range map[string]uint8{"tcp": protocolTCP, "udp": protocolUDP} {
		list, err := l.lists.sockets(name)
		if err != nil {
			return err
		}
		for i := range list {
			l.see(&list[i], protocol, now)
		}
	}
	l.names.end()
	l.track.end(now)
	return nil
}

func (l *listed) see(found *libproc.Socket, protocol uint8, now time.Time) {
	s, ok := openSocket(found, protocol)
	if !ok {
		return
	}
	s.cookie, _ = l.names.of(listedKey{protocol, found.Handle, s.local, s.remote})
	l.track.see(&s, protocol, now)
	if f := l.track.flows[s.cookie]; f != nil && f.owner == nil && found.PID != 0 {
		f.owner = l.lists.owner(found.PID, found.UID)
	}
}

// openSocket reports false for what is no open connection and no listener. All
// open states are one to the tracker: without the kernel's counters it could draw
// nothing from them.
func openSocket(found *libproc.Socket, protocol uint8) (socket, bool) {
	s := socket{protocol: protocol, state: stateEstablished, local: found.Local, remote: found.Remote, uid: found.UID}
	if protocol == protocolTCP {
		switch found.State {
		case libproc.StateListen:
			s.state = stateListen
			return s, found.Local.Port() != 0
		case libproc.StateClosed, libproc.StateSynRecv, libproc.StateTimeWait:
			return s, false
		}
	}
	return s, found.Remote.Port() != 0 && !found.Remote.Addr().IsUnspecified()
}
