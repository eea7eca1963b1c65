// Package view is what people on the device may ask the running agent: a Unix
// socket, on Windows a named pipe, no port. Each connection carries one JSON request and one JSON answer,
// or a row of them, one a line. The system says who calls; what is personal goes
// to that person alone. It also holds the words in which people are told what
// leaves, in their language.
package view

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strconv"
	"sync"
	"time"
)

// ErrNotRunning says that no agent answers.
var ErrNotRunning = errors.New("the agent is not running here; hint: discreet-agent service start, or discreet-agent run")

// ErrImpostor says that a program of another account took the agent's place.
var ErrImpostor = errors.New("what answers here is not the agent: it belongs to another account; hint: tell IT")

// What an agent may answer instead of what was asked. The text that comes with
// it says more.
var (
	ErrForbidden  = errors.New("the policy forbids it")
	ErrPermission = errors.New("not for this caller")
	ErrUsage      = errors.New("no such request")
)

// errorKinds are the names of these errors on the socket.
var errorKinds = map[string]error{"forbidden": ErrForbidden, "permission": ErrPermission, "usage": ErrUsage}

const (
	maxRequest  = 4 << 10
	maxAnswer   = 8 << 20
	maxCallers  = 32
	perUser     = 4 // so that one person cannot keep the others out
	callTimeout = 5 * time.Second
	// A caller past perUser is told so and let go: that takes a slot for no time
	// worth speaking of, even where she does not read.
	refuseTimeout = 100 * time.Millisecond
	acceptAgain   = 100 * time.Millisecond
)

// Request is a question to the agent.
type Request struct {
	Command string            `json:"command"`
	Args    map[string]string `json:"args,omitempty"`
}

// Caller is who asks, as the system says. Where the system does not say, Known
// is false. Windows tells a SID and no UID.
type Caller struct {
	UID   uint32
	SID   string
	Admin bool // on Windows: the system itself, or an administrator with her rights on
	Known bool
}

// Root reports whether the caller is the superuser, or the like on Windows.
func (c Caller) Root() bool { return c.Known && (c.Admin || c.SID == "" && c.UID == 0) }

// ID returns how the system and its collectors number the caller.
func (c Caller) ID() string {
	if c.SID != "" {
		return c.SID
	}
	return strconv.FormatUint(uint64(c.UID), 10)
}

// Reply answers one request. Its context ends when the caller goes away or the
// agent stops. A Stream as the result is run, and each thing that it sends
// becomes a line.
type Reply func(context.Context, Caller, Request) (any, error)

// Stream sends answers until there are no more, or send fails.
type Stream func(send func(any) error) error

type answer struct {
	Error  string          `json:"error,omitempty"`
	Kind   string          `json:"kind,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	End    bool            `json:"end,omitempty"` // of a row of answers
}

// Server answers requests. Use Listen.
type Server struct{ l net.Listener }

// Listen opens the socket in dir, which it makes if need be; on Windows the pipe
// that goes by dir. A socket left by an agent that is gone is replaced; that of a
// living one is an error.
func Listen(dir string) (*Server, error) {
	l, err := listen(dir)
	if err != nil {
		return nil, err
	}
	return &Server{l}, nil
}

// Serve answers until ctx is done, then removes the socket.
func (s *Server) Serve(ctx context.Context, reply Reply) {
	stop := context.AfterFunc(ctx, func() { s.l.Close() })
	defer stop()
	var calls sync.WaitGroup
	defer calls.Wait()
	slots := make(chan struct{}, maxCallers)
	users := &counter{of: map[Caller]int{}}
	for {
		c, err := s.l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptor is free, or the caller is gone already: it passes
			select {
			case <-ctx.Done():
				return
			case <-time.After(acceptAgain):
				continue
			}
		}
		slots <- struct{}{}
		calls.Go(func() {
			defer func() { <-slots }()
			defer c.Close()
			who := callerOf(c)
			if !users.enter(who) {
				_ = c.SetDeadline(time.Now().Add(refuseTimeout))
				_ = json.NewEncoder(c).Encode(answer{Error: "you ask too many things at once; hint: wait for the answers", Kind: "permission"})
				return
			}
			defer users.leave(who)
			serve(ctx, c, who, reply)
		})
	}
}

// counter counts the open calls of each caller.
type counter struct {
	mu sync.Mutex
	of map[Caller]int
}

func (n *counter) enter(who Caller) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if who.Known && n.of[who] >= perUser {
		return false
	}
	n.of[who]++
	return true
}

func (n *counter) leave(who Caller) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of[who]--; n.of[who] == 0 {
		delete(n.of, who)
	}
}

func serve(ctx context.Context, c net.Conn, who Caller, reply Reply) {
	_ = c.SetDeadline(time.Now().Add(callTimeout))
	in := bufio.NewReader(io.LimitReader(c, maxRequest))
	line, err := in.ReadBytes('\n')
	if err != nil {
		return
	}
	var q Request
	if err := json.Unmarshal(line, &q); err != nil {
		_ = json.NewEncoder(c).Encode(answer{Error: "request is not JSON", Kind: "usage"})
		return
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	v, err := reply(ctx, who, q)
	if rows, ok := v.(Stream); ok && err == nil {
		stream(c, stop, rows)
		return
	}
	_ = c.SetDeadline(time.Now().Add(callTimeout))
	_ = write(c, v, err)
}

// stream writes a row of answers. It calls gone when the caller goes away.
func stream(c net.Conn, gone func(), rows Stream) {
	_ = c.SetReadDeadline(time.Time{})
	var watching sync.WaitGroup
	watching.Go(func() {
		_, _ = io.Copy(io.Discard, c) // ends when either side closes
		gone()
	})
	err := rows(func(v any) error {
		_ = c.SetWriteDeadline(time.Now().Add(callTimeout))
		return write(c, v, nil)
	})
	_ = c.SetWriteDeadline(time.Now().Add(callTimeout))
	if err != nil {
		_ = write(c, nil, err)
	} else {
		_ = json.NewEncoder(c).Encode(answer{End: true})
	}
	c.Close()
	watching.Wait()
}

func write(c net.Conn, v any, err error) error {
	var out answer
	if err == nil {
		if out.Result, err = json.Marshal(v); err != nil {
			err = errors.New("answer cannot be written")
		}
	}
	if err != nil {
		out = answer{Error: err.Error()}
		for kind, e := range errorKinds {
			if errors.Is(err, e) {
				out.Kind = kind
			}
		}
	}
	return json.NewEncoder(c).Encode(out)
}

// Ask puts a question to the agent whose socket lies in dir and decodes the
// answer into v.
func Ask(dir string, q Request, v any) error {
	c, err := call(dir, q)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * callTimeout))
	var a answer
	if err := json.NewDecoder(io.LimitReader(c, maxAnswer)).Decode(&a); err != nil {
		return fmt.Errorf("read the agent's answer: %w", err)
	}
	if err := a.err(); err != nil {
		return err
	}
	return json.Unmarshal(a.Result, v)
}

// Follow puts a question whose answers are a row, and hands each to show until
// the row ends, show fails or ctx is done.
func Follow(ctx context.Context, dir string, q Request, show func(json.RawMessage) error) error {
	c, err := call(dir, q)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	for rows := json.NewDecoder(c); ; {
		var a answer
		switch err := rows.Decode(&a); {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("read the agent's answers: %w", err)
		case a.err() != nil:
			return a.err()
		case a.End:
			return nil
		}
		if err := show(a.Result); err != nil {
			return err
		}
	}
}

// call opens a connection and sends q.
func call(dir string, q Request) (net.Conn, error) {
	c, err := reach(dir)
	switch {
	case errors.Is(err, ErrImpostor):
		return nil, err
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("ask the agent: %w", fs.ErrPermission)
	case err != nil:
		return nil, ErrNotRunning
	}
	_ = c.SetDeadline(time.Now().Add(callTimeout))
	// An agent that refuses a caller answers and hangs up before it reads: the
	// answer is there all the same.
	if err := json.NewEncoder(c).Encode(q); err != nil && !hungUp(err) {
		c.Close()
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	return c, nil
}

// refusal is what an agent answered instead.
type refusal struct {
	text string
	kind error
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.kind }

func (a answer) err() error {
	if a.Error == "" {
		return nil
	}
	return &refusal{a.Error, errorKinds[a.Kind]}
}
