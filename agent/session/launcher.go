package session

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"
)

// A Launcher starts a helper in each session in which somebody is logged on, and
// again when one ends. What it starts has two pipes to the service and no other way:
// there is nothing that somebody else could open, and whose a helper is need not be
// asked.
type Launcher struct {
	log     *slog.Logger
	host    host
	changed chan struct{}
}

// host is the system.
type host interface {
	// sessions lists those in which somebody is logged on.
	sessions() ([]uint32, error)
	// start starts a helper in one.
	start(session uint32) (net.Conn, error)
}

const (
	// lookEvery is how often sessions are listed where nobody says that they changed.
	lookEvery = 30 * time.Second
	// The waits before a helper that ended is started again.
	startPause    = time.Second
	startMaxPause = 5 * time.Minute
)

// newLauncher returns a launcher. It starts nothing.
func newLauncher(h host, log *slog.Logger) *Launcher {
	return &Launcher{log: log, host: h, changed: make(chan struct{}, 1)}
}

// Changed says that somebody logged on or off. It does not wait.
func (l *Launcher) Changed() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// Listen begins to start helpers. Accept returns each of them; Close ends all.
func (l *Launcher) Listen() (net.Listener, error) {
	ctx, cancel := context.WithCancel(context.Background())
	n := &launching{l: l, ctx: ctx, cancel: cancel, conns: make(chan net.Conn)}
	n.done.Go(n.watch)
	return n, nil
}

// launching is one life of a launcher.
type launching struct {
	l      *Launcher
	ctx    context.Context
	cancel context.CancelFunc
	conns  chan net.Conn
	done   sync.WaitGroup
}

// Accept returns the next helper.
func (n *launching) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close ends every helper.
func (n *launching) Close() error {
	n.cancel()
	n.done.Wait()
	return nil
}

// Addr says nothing: there is no address.
func (*launching) Addr() net.Addr { return pipeAddr{} }

// watch keeps a helper in each session.
func (n *launching) watch() {
	kept := map[uint32]context.CancelFunc{}
	defer func() {
		for _, end := range kept {
			end()
		}
	}()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		now, err := n.l.host.sessions()
		if err != nil {
			n.l.log.Warn("sessions are not known", "err", err)
		} else {
			n.reconcile(kept, now)
		}
		select {
		case <-n.ctx.Done():
			return
		case <-ticker.C:
		case <-n.l.changed:
		}
	}
}

func (n *launching) reconcile(kept map[uint32]context.CancelFunc, now []uint32) {
	there := make(map[uint32]bool, len(now))
	for _, id := range now {
		if there[id] = true; kept[id] != nil || len(kept) >= maxHelpers {
			continue
		}
		ctx, end := context.WithCancel(n.ctx)
		kept[id] = end
		n.done.Go(func() { n.keep(ctx, id) })
	}
	for id, end := range kept {
		if !there[id] {
			end()
			delete(kept, id)
		}
	}
}

// keep starts a session's helper, and again when it ends, later and later.
func (n *launching) keep(ctx context.Context, session uint32) {
	for pause := startPause; ; pause = min(2*pause, startMaxPause) {
		began := time.Now()
		c, err := n.l.host.start(session)
		if err == nil {
			n.serve(ctx, c)
			if time.Since(began) > startMaxPause {
				pause = startPause
			}
		}
		if ctx.Err() != nil {
			return
		}
		n.l.log.Info("a session's helper is started again", "restart_in", pause, "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// serve hands a helper over and waits for its end.
func (n *launching) serve(ctx context.Context, c net.Conn) {
	w := &watchedConn{Conn: c, over: make(chan struct{})}
	defer w.Close()
	select {
	case n.conns <- w:
	case <-ctx.Done():
		return
	}
	select {
	case <-w.over:
	case <-ctx.Done():
	}
}

// watchedConn says when it is closed.
type watchedConn struct {
	net.Conn
	once sync.Once
	over chan struct{}
	err  error
}

// Close closes it once.
func (w *watchedConn) Close() error {
	w.once.Do(func() {
		w.err = w.Conn.Close()
		close(w.over)
	})
	return w.err
}
