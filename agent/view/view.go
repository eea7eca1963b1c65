// Package view is what people on the device may ask the running agent: a Unix
// socket, no port. Each connection carries one JSON request and one JSON answer.
// Nothing that it answers holds a value of an event.
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
	"os"
	"path/filepath"
	"sync"
	"time"
)

// ErrNotRunning says that no agent answers.
var ErrNotRunning = errors.New("the agent is not running here; hint: discreet-agent service start, or discreet-agent run")

const (
	socketName  = "agent.sock"
	maxRequest  = 4 << 10
	maxAnswer   = 8 << 20
	maxCallers  = 16
	callTimeout = 5 * time.Second
)

// Request is a question to the agent.
type Request struct {
	Command string `json:"command"`
}

type answer struct {
	Error  string          `json:"error,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

// Server answers requests. Use Listen.
type Server struct{ l net.Listener }

// Listen opens the socket in dir, which it makes if need be. A socket left by an
// agent that is gone is replaced; that of a living one is an error.
func Listen(dir string) (*Server, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make run folder: %w", err)
	}
	name := filepath.Join(dir, socketName)
	if c, err := net.DialTimeout("unix", name, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("another agent answers at %s", name)
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove stale socket: %w", err)
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, fmt.Errorf("open socket: %w", err)
	}
	// Anybody on the device may ask: the answers are not personal.
	if err := os.Chmod(name, 0o666); err != nil {
		l.Close()
		return nil, fmt.Errorf("open socket to people: %w", err)
	}
	return &Server{l}, nil
}

// Serve answers until ctx is done, then removes the socket.
func (s *Server) Serve(ctx context.Context, reply func(Request) (any, error)) {
	stop := context.AfterFunc(ctx, func() { s.l.Close() })
	defer stop()
	var calls sync.WaitGroup
	defer calls.Wait()
	slots := make(chan struct{}, maxCallers)
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		slots <- struct{}{}
		calls.Go(func() {
			defer func() { <-slots }()
			defer c.Close()
			serve(c, reply)
		})
	}
}

func serve(c net.Conn, reply func(Request) (any, error)) {
	_ = c.SetDeadline(time.Now().Add(callTimeout))
	line, err := bufio.NewReader(io.LimitReader(c, maxRequest)).ReadBytes('\n')
	if err != nil {
		return
	}
	var q Request
	var out answer
	if err := json.Unmarshal(line, &q); err != nil {
		out.Error = "request is not JSON"
	} else if v, err := reply(q); err != nil {
		out.Error = err.Error()
	} else if out.Result, err = json.Marshal(v); err != nil {
		out.Error = "answer cannot be written"
	}
	_ = json.NewEncoder(c).Encode(out)
}

// Ask puts a question to the agent whose socket lies in dir and decodes the
// answer into v.
func Ask(dir string, q Request, v any) error {
	c, err := net.DialTimeout("unix", filepath.Join(dir, socketName), callTimeout)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("ask the agent: %w", fs.ErrPermission)
		}
		return ErrNotRunning
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(callTimeout))
	if err := json.NewEncoder(c).Encode(q); err != nil {
		return fmt.Errorf("ask the agent: %w", err)
	}
	var a answer
	if err := json.NewDecoder(io.LimitReader(c, maxAnswer)).Decode(&a); err != nil {
		return fmt.Errorf("read the agent's answer: %w", err)
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	return json.Unmarshal(a.Result, v)
}
