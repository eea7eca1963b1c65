package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/discreet-agent/discreet/collectors"
)

const (
	maxHelpers  = 64 // of all people on the device
	maxPerUser  = 4
	maxFollower = 4
	hello       = 10 * time.Second // within which a helper must take what is wanted
)

// Server is the service's side. It implements collectors.Sessions. While no
// collector follows there is no socket.
type Server struct {
	log    *slog.Logger
	listen func() (net.Listener, error)
	who    func(net.Conn) (uid uint32, ok bool)

	mu        sync.Mutex // guards what follows
	focus     map[int]*follower[collectors.Focused]
	active    map[int]*follower[collectors.Active]
	next      int
	helpers   map[*helper]bool
	perUser   map[uint32]int
	listening *listening
}

// follower is one collector that follows.
type follower[T any] struct {
	take func(T)
	note func(string)
	lost func(uint64)
}

// helper is one connection.
type helper struct {
	c           net.Conn
	uid         uint32
	focusWhy    Why
	activityWhy Why
}

// listening is one life of the socket.
type listening struct {
	l    net.Listener
	done sync.WaitGroup
}

// NewServer returns a server whose socket will be in dir. who asks the system who
// is at the other end of a connection. Nothing is opened.
func NewServer(dir string, log *slog.Logger, who func(net.Conn) (uint32, bool)) *Server {
	return NewServerOn(func() (net.Listener, error) { return listen(dir) }, log, who)
}

// NewServerOn returns a server that hears whoever a listener brings. It is called
// for the first collector that follows, and closed with the last.
func NewServerOn(listen func() (net.Listener, error), log *slog.Logger, who func(net.Conn) (uint32, bool)) *Server {
	return &Server{
		log: log, listen: listen, who: who, helpers: map[*helper]bool{}, perUser: map[uint32]int{},
		focus: map[int]*follower[collectors.Focused]{}, active: map[int]*follower[collectors.Active]{},
	}
}

// Focus follows focus until ctx is done.
func (s *Server) Focus(ctx context.Context, env collectors.Env, take func(collectors.Focused)) error {
	return follow(ctx, s, s.focus, &follower[collectors.Focused]{take, env.Stats.SetNote, env.Stats.AddLost})
}

// Activity follows activity until ctx is done.
func (s *Server) Activity(ctx context.Context, env collectors.Env, take func(collectors.Active)) error {
	return follow(ctx, s, s.active, &follower[collectors.Active]{take, env.Stats.SetNote, env.Stats.AddLost})
}

func follow[T any](ctx context.Context, s *Server, in map[int]*follower[T], f *follower[T]) error {
	s.mu.Lock()
	if len(in) == maxFollower {
		s.mu.Unlock()
		return errors.New("too many follow sessions")
	}
	id := s.next
	s.next++
	in[id] = f
	err := s.open()
	s.tell()
	s.mu.Unlock()
	if err == nil {
		<-ctx.Done()
	}
	s.mu.Lock()
	delete(in, id)
	s.tell()
	ended := s.close()
	s.mu.Unlock()
	if ended != nil {
		ended.done.Wait()
	}
	return err
}

// wants is what the collectors follow. The lock is held.
func (s *Server) wants() Wants { return Wants{len(s.focus) > 0, len(s.active) > 0} }

// open begins to listen for the first follower. The lock is held.
func (s *Server) open() error {
	if s.listening != nil {
		return nil
	}
	l, err := s.listen()
	if err != nil {
		return err
	}
	now := &listening{l: l}
	s.listening = now
	now.done.Go(func() { s.accept(now) }) // by then there may be another
	return nil
}

// listen makes the socket.
func listen(dir string) (net.Listener, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make run folder: %w", err)
	}
	name := filepath.Join(dir, SocketName)
	// The agent's lock says that no other agent lives here.
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove stale socket: %w", err)
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, fmt.Errorf("open socket for sessions: %w", err)
	}
	// Everybody's helper may come: the kernel says whose it is.
	if err := os.Chmod(name, 0o666); err != nil {
		l.Close()
		return nil, fmt.Errorf("open socket to people: %w", err)
	}
	return l, nil
}

// close ends the socket with its last follower. The lock is held; who gets a
// listening back waits for it without the lock.
func (s *Server) close() *listening {
	if s.wants() != (Wants{}) || s.listening == nil {
		return nil
	}
	ended := s.listening
	s.listening = nil
	ended.l.Close()
	for h := range s.helpers {
		h.c.Close()
	}
	return ended
}

// tell says what is wanted to every helper, and what is known of the sessions to
// every follower. The lock is held. A helper that does not read is cut off.
func (s *Server) tell() {
	line := encode(s.wants())
	for h := range s.helpers {
		_ = h.c.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := h.c.Write(line); err != nil {
			h.c.Close()
		}
	}
	s.notes()
}

// notes says why nothing comes, where nothing does. The lock is held.
func (s *Server) notes() {
	focus, active := "no session helper is connected", "no session helper is connected"
	for h := range s.helpers {
		focus, active = better(focus, texts[h.focusWhy]), better(active, texts[h.activityWhy])
	}
	for _, f := range s.focus {
		f.note(focus)
	}
	for _, f := range s.active {
		f.note(active)
	}
}

// better returns the note of a device on which one session says a and another b:
// that one of them works is what counts.
func better(a, b string) string {
	if a == "" {
		return a
	}
	return b
}

func (s *Server) accept(l *listening) {
	for {
		c, err := l.l.Accept()
		if err != nil {
			return
		}
		h := s.enter(l, c)
		if h == nil {
			c.Close()
			continue
		}
		l.done.Go(func() {
			err := s.serve(h)
			s.leave(h)
			if errors.Is(err, errLies) {
				s.log.Warn("session helper cut off", "uid_is_system", h.uid < 1000, "err", err)
			}
		})
	}
}

// enter takes a helper in, if there is room for it.
func (s *Server) enter(l *listening, c net.Conn) *helper {
	uid, ok := s.who(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok || s.listening != l || len(s.helpers) >= maxHelpers || s.perUser[uid] >= maxPerUser {
		return nil
	}
	h := &helper{c: c, uid: uid}
	_ = c.SetWriteDeadline(time.Now().Add(hello))
	if _, err := c.Write(encode(s.wants())); err != nil {
		return nil
	}
	s.helpers[h] = true
	s.perUser[uid]++
	return h
}

func (s *Server) leave(h *helper) {
	h.c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.helpers, h)
	if s.perUser[h.uid]--; s.perUser[h.uid] == 0 {
		delete(s.perUser, h.uid)
	}
	s.notes()
}

// serve takes the lines of one helper. It may say no more time than has passed,
// and no more lines than a person can cause.
func (s *Server) serve(h *helper) error {
	lines := bufio.NewScanner(h.c)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	began, last := time.Now(), time.Now()
	var focused, active time.Duration
	const whole = burst * refillEach
	credit := whole // a line costs what refills one
	for lines.Scan() {
		now := time.Now()
		credit = min(whole, credit+now.Sub(last)) - refillEach
		if last = now; credit < 0 {
			return errLies
		}
		r, err := parseReport(lines.Bytes())
		if err != nil {
			return err
		}
		focused += time.Duration(r.Focus) * time.Millisecond
		active += time.Duration(r.Active) * time.Millisecond
		if passed := now.Sub(began) + slack; focused > passed || active > passed {
			return errLies
		}
		s.take(h, r)
	}
	if lines.Err() != nil && !errors.Is(lines.Err(), net.ErrClosed) {
		return errLies // a line without end
	}
	return nil
}

// take hands a report to those who follow.
func (s *Server) take(h *helper, r Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.FocusWhy != "" {
		h.focusWhy = r.FocusWhy
	}
	if r.ActivityWhy != "" {
		h.activityWhy = r.ActivityWhy
	}
	if r.FocusWhy != "" || r.ActivityWhy != "" {
		s.notes()
	}
	if r.Focus > 0 {
		for _, f := range s.focus {
			f.take(collectors.Focused{UID: h.uid, PID: r.PID, App: r.App, Span: time.Duration(r.Focus) * time.Millisecond})
		}
	}
	if r.Active > 0 {
		for _, f := range s.active {
			f.take(collectors.Active{UID: h.uid, Span: time.Duration(r.Active) * time.Millisecond})
		}
	}
}
