package process

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/netlink"
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

const (
	receiveBuffer = 4 << 20         // room for some 5,000 messages while we are not scheduled
	ackWithin     = 2 * time.Second // the kernel answers at once, or never where it does not speak to us
	// usageEvery is how often the figures of living processes are read, so that
	// they are known when one ends. It costs about 12 us a process.
	usageEvery = 5 * time.Minute
)

// connector is the rung NETLINK: the kernel tells of every fork, exec and exit
// as it happens. Between them nothing wakes us but the figures' timer.
type connector struct {
	env   collectors.Env
	sock  *netlink.Socket
	stats *taskstats // nil where it is not to be had
	*watch
	lost bool // events are missing: compare with /proc once the queue is empty
}

// openConnector opens the connector, and taskstats beside it where that is
// granted.
func openConnector(env collectors.Env) (source, error) {
	c, err := listenConnector(env, receiveBuffer)
	if err != nil {
		return nil, err
	}
	if c.stats, err = openTaskstats(env.SysRoot); err != nil {
		env.Log.Info("figures of ended programs not usable", "collector", Spec.Name, "err", err)
	}
	return c, nil
}

func listenConnector(env collectors.Env, buffer int) (*connector, error) {
	sock, err := netlink.Open(unix.NETLINK_CONNECTOR, connectorIndex, buffer)
	if err != nil {
		return nil, fmt.Errorf("process connector: %w", err)
	}
	c := &connector{env: env, sock: sock}
	if err := c.listen(); err != nil {
		sock.Close()
		return nil, fmt.Errorf("process connector: %w", err)
	}
	return c, nil
}

// listen subscribes, and waits for the answer: in a container the connector
// takes the request and stays silent for ever.
func (c *connector) listen() error {
	if err := c.sock.Filter(connectorFilter()); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	if err := c.sock.Send(listenRequest()); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := c.sock.SetDeadline(time.Now().Add(ackWithin)); err != nil {
		return err
	}
	var buf [4096]byte
	for {
		n, err := c.sock.Receive(buf[:])
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("no answer from the kernel: %w", collectors.ErrUnsupported)
		case err != nil && !errors.Is(err, unix.ENOBUFS):
			return fmt.Errorf("await answer: %w", err)
		}
		m, _, ok := netlink.Next(buf[:n])
		if !ok {
			continue
		}
		if e, ok := parseProcEvent(m.Data); ok && e.what == whatAck {
			if e.status != 0 {
				return fmt.Errorf("subscribe: %w", unix.Errno(e.status))
			}
			return nil
		}
	}
}

func (c *connector) run(ctx context.Context, emit collectors.Emit) error {
	defer c.sock.Close()
	defer c.stats.close()
	c.watch = newWatch(c.env, emit, eventv1.Rung_RUNG_NETLINK)
	if err := c.scan(true, true); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, c.sock.Interrupt)
	defer stop()
	buf := make([]byte, 64<<10)
	for {
		if err := c.sock.SetDeadline(time.Now().Add(usageEvery)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if err := c.receive(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("process connector: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		c.figures()
	}
}

// receive handles messages until an error ends it, as the deadline does.
func (c *connector) receive(buf []byte) error {
	for {
		next := c.sock.Receive
		if c.lost {
			next = c.sock.Poll
		}
		n, err := next(buf)
		switch {
		case errors.Is(err, unix.ENOBUFS):
			// Everything that is still queued is older than what is missing.
			c.env.Stats.AddLost(uint64(max(1, c.sock.Dropped())))
			c.lost = true
			c.stats.forget()
			continue
		case err != nil:
			return err
		case n == 0 && c.lost:
			c.lost = false
			if err := c.scan(true, false); err != nil {
				return err
			}
			continue
		}
		c.clock.refresh()
		for b := buf[:n]; ; {
			var m netlink.Message
			var ok bool
			if m, b, ok = netlink.Next(b); !ok {
				break
			}
			if e, ok := parseProcEvent(m.Data); ok && e.leader {
				c.handle(e)
			}
		}
	}
}

func (c *connector) handle(e procEvent) {
	p := c.table[e.pid]
	switch e.what {
	case whatFork:
		if p == nil || p.seen < e.at {
			c.fork(e)
		}
	case whatExec:
		if p == nil || p.seen < e.at {
			c.exec(e, p)
		}
	case whatUID:
		if p != nil {
			p.uid, p.uidKnown = e.uid, true
			c.name(p)
		}
	case whatExit:
		used, known := c.stats.take(e.pid)
		if p != nil {
			c.exit(e, p, used, known)
		}
	}
}

// fork enters a child. It inherits program and account, which nobody could read
// any more were it gone by now. It is not reported: a start is an exec, and a
// child that never calls it is its parent's program going on.
func (c *connector) fork(e procEvent) {
	p := &process{pid: e.pid, started: e.at, prog: &program{}}
	sinceBoot := e.at + c.clock.suspended
	p.key = procfs.Key(uint64(sinceBoot/tick), e.pid)
	// The event comes a little after the start that /proc tells. Where a tick
	// began in between, only /proc knows.
	if sinceBoot%tick < int64(time.Millisecond) {
		if stat, err := c.proc.Stat(e.pid); err == nil {
			p.key = procfs.Key(stat.StartTicks, e.pid)
		}
	}
	if parent := c.table[e.parent]; parent != nil {
		p.parent, p.prog = parent.key, parent.prog
		p.uid, p.uidKnown, p.user = parent.uid, parent.uidKnown, parent.user
	}
	c.put(p)
}

func (c *connector) exec(e procEvent, p *process) {
	if p == nil {
		if p = c.load(e.pid); p == nil {
			p = &process{pid: e.pid, started: e.at, prog: &program{}}
		}
		if !c.put(p) {
			return
		}
	}
	switch path, err := c.proc.Exe(e.pid); {
	case err == nil:
		p.prog = c.programs.path(path)
	case gone(err):
		p.prog = &program{} // gone before we looked: better unknown than its parent's
	default:
		if stat, err := c.proc.Stat(e.pid); err == nil {
			p.prog = c.programs.named(stat.Name)
		}
	}
	if !p.uidKnown {
		c.loadUser(p)
	}
	c.report.started(c.clock.unixMS(e.at), p, false)
}

func (c *connector) exit(e procEvent, p *process, used usage, known bool) {
	end := endingOf(e.status)
	end.lifetimeMS = uint64(max(0, e.at-p.started) / int64(time.Millisecond))
	if known {
		p.userNS, p.systemNS = used.userNS, used.systemNS
		p.settle()
		p.rssBytes = max(p.rssBytes, used.rssBytes)
		end.readBytes, end.writtenBytes = used.readBytes, used.written
		c.ended(c.clock.unixMS(e.at), p, end)
		return
	}
	// Until its parent fetches the status a dead process still has its figures.
	// For one that lived shortly they are not worth the look.
	if p.told && end.lifetimeMS >= 1000 {
		c.refresh(p)
	}
	c.ended(c.clock.unixMS(e.at), p, end)
}

// connectorFilter lets through what concerns processes, and keeps back threads
// and the events that nobody reads: a browser starts threads all day, and each
// would wake us. Because of it the connector's sequence numbers have holes, so
// losses are counted by the socket's own counter, which is exact.
func connectorFilter() []unix.SockFilter {
	const event = netlink.HeaderSize + connectorSize
	const what, first = event, event + eventHead
	// A classic filter loads words as big-endian.
	swap := func(v uint32) uint32 {
		return binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, v))
	}
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	equal := func(v uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: yes, Jf: no, K: v}
	}
	toX := unix.SockFilter{Code: unix.BPF_MISC | unix.BPF_TAX}
	sameX := unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_X, Jt: 1}
	give := func(n uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: n} }
	return []unix.SockFilter{
		load(what),
		equal(swap(whatAck), 13, 0),
		equal(swap(whatExec), 12, 0),
		equal(swap(whatFork), 6, 0), // its child: the third and fourth word
		equal(swap(whatExit), 1, 0),
		equal(swap(whatUID), 0, 8),
		load(first), // the pid, then the process's
		toX,
		load(first + 4),
		{Code: unix.BPF_JMP | unix.BPF_JA, K: 3},
		load(first + 8),
		toX,
		load(first + 12),
		sameX,
		give(0),
		give(0xffff),
	}
}
