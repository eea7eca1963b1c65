package session

import (
	"errors"
	"io"
	"net"
	"time"
)

// pipes is a connection over two pipes. A pipe has no deadlines: what is written is
// so little that the system keeps all of it, and a write never waits.
type pipes struct {
	in      io.ReadCloser
	out     io.WriteCloser
	written int
	session uint32
	end     func() // ends the process at the other end; may be called more than once
}

// pipeRoom is what may be written into a pipe that nobody reads: half of what Windows
// keeps. A helper that is told as much starts anew.
const pipeRoom = 2 << 10

var errFull = errors.New("a helper was told all that its pipe has room for")

// Stdio returns the way to the service that started this program with two pipes as
// its standard input and output.
func Stdio(in io.ReadCloser, out io.WriteCloser) net.Conn {
	return &pipes{in: in, out: out, written: -1}
}

// SessionOf returns the number of the session in which the helper at the other end
// of a connection was started.
func SessionOf(c net.Conn) (uint32, bool) {
	if w, ok := c.(*watchedConn); ok {
		c = w.Conn
	}
	p, ok := c.(*pipes)
	if !ok {
		return 0, false
	}
	return p.session, true
}

func (p *pipes) Read(b []byte) (int, error) { return p.in.Read(b) }

// Write writes to the other end. The service's side does not wait for a helper; one
// goroutine at a time writes.
func (p *pipes) Write(b []byte) (int, error) {
	if p.written >= 0 {
		if p.written += len(b); p.written > pipeRoom {
			return 0, errFull
		}
	}
	return p.out.Write(b)
}

// Close ends both ways.
func (p *pipes) Close() error {
	err := p.out.Close()
	if p.end != nil {
		p.end() // so that a Read of now ends too
	}
	return errors.Join(err, p.in.Close())
}

func (*pipes) LocalAddr() net.Addr              { return pipeAddr{} }
func (*pipes) RemoteAddr() net.Addr             { return pipeAddr{} }
func (*pipes) SetDeadline(time.Time) error      { return nil }
func (*pipes) SetReadDeadline(time.Time) error  { return nil }
func (*pipes) SetWriteDeadline(time.Time) error { return nil }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "session" }
