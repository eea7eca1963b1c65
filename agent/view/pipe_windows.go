package view

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

const (
	// pipeRights are what a person gets: to read and write. The general right to
	// write would hold one more, to open further ends of the pipe under our name.
	// https://learn.microsoft.com/windows/win32/ipc/named-pipe-security-and-access-rights
	pipeRights = windows.FILE_READ_DATA | windows.FILE_WRITE_DATA | windows.FILE_READ_ATTRIBUTES |
		windows.FILE_WRITE_ATTRIBUTES | windows.READ_CONTROL | windows.SYNCHRONIZE
	// pipeAccess lets the system, administrators, and the account of the agent do
	// all, and people who are logged on at the device, or by remote desktop, ask.
	pipeAccess = "D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;OW)(A;;0x120183;;;IU)"
	pipeBuffer = 16 << 10
	maxSID     = 68 // SECURITY_MAX_SID_SIZE
	busyAgain  = 20 * time.Millisecond
)

// pipeName returns the name of the pipe of the agent whose run folder is dir. Pipes
// have one space of names for the whole device, and a folder's name can be too long
// for it.
func pipeName(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	sum := sha256.Sum256([]byte(strings.ToLower(dir)))
	return `\\.\pipe\discreet-agent-` + hex.EncodeToString(sum[:8])
}

// pipe is a named pipe of which one end after the other is handed out. There is
// always one end more than callers, so the name is never free for others.
type pipe struct {
	name string
	with *windows.SecurityAttributes
	stop windows.Handle // an event: Close was called

	accepting sync.Mutex // one Accept at a time
	mu        sync.Mutex // guards what follows
	next      windows.Handle
	closed    bool
}

func listen(dir string) (net.Listener, error) {
	sd, err := windows.SecurityDescriptorFromString(pipeAccess)
	if err != nil {
		return nil, fmt.Errorf("access list of the pipe: %w", err)
	}
	p := &pipe{name: pipeName(dir), with: &windows.SecurityAttributes{SecurityDescriptor: sd}}
	p.with.Length = uint32(unsafe.Sizeof(*p.with))
	if p.stop, err = windows.CreateEvent(nil, 1, 0, nil); err != nil {
		return nil, fmt.Errorf("open pipe: %w", err)
	}
	// FIRST_PIPE_INSTANCE fails where anybody has a pipe of this name.
	if p.next, err = p.end(windows.FILE_FLAG_FIRST_PIPE_INSTANCE); err != nil {
		windows.CloseHandle(p.stop)
		return nil, fmt.Errorf("open pipe %s: %w; hint: does another agent run?", p.name, err)
	}
	return p, nil
}

// end opens one more end of the pipe. Callers from other devices are refused.
func (p *pipe) end(more uint32) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(p.name)
	if err != nil {
		return 0, err
	}
	return windows.CreateNamedPipe(name, windows.PIPE_ACCESS_DUPLEX|windows.FILE_FLAG_OVERLAPPED|more,
		windows.PIPE_TYPE_BYTE|windows.PIPE_READMODE_BYTE|windows.PIPE_REJECT_REMOTE_CLIENTS,
		windows.PIPE_UNLIMITED_INSTANCES, pipeBuffer, pipeBuffer, 0, p.with)
}

// Accept waits for a caller. Serve bounds how many there are.
func (p *pipe) Accept() (net.Conn, error) {
	p.accepting.Lock()
	defer p.accepting.Unlock()
	p.mu.Lock()
	h, closed := p.next, p.closed
	p.mu.Unlock()
	if closed {
		return nil, net.ErrClosed
	}
	if err := p.wait(h); err != nil {
		return nil, err
	}
	next, err := p.end(0)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil { // none is to be had: this end serves again, so that the name stays ours
		_ = windows.DisconnectNamedPipe(h)
		return nil, fmt.Errorf("open pipe: %w", err)
	}
	if p.closed {
		windows.CloseHandle(h)
		windows.CloseHandle(next)
		return nil, net.ErrClosed
	}
	p.next = next
	return newPipeConn(h, p.name), nil
}

// wait waits until somebody opens the other side of h, or Close is called.
func (p *pipe) wait(h windows.Handle) error {
	event, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return fmt.Errorf("wait at the pipe: %w", err)
	}
	defer windows.CloseHandle(event)
	o := &windows.Overlapped{HEvent: event}
	switch err := windows.ConnectNamedPipe(h, o); {
	case err == nil || errors.Is(err, windows.ERROR_PIPE_CONNECTED):
		return nil
	case errors.Is(err, windows.ERROR_NO_DATA): // came and went before we looked
		_ = windows.DisconnectNamedPipe(h)
		return fmt.Errorf("wait at the pipe: %w", err)
	case !errors.Is(err, windows.ERROR_IO_PENDING):
		return fmt.Errorf("wait at the pipe: %w", err)
	}
	which, err := windows.WaitForMultipleObjects([]windows.Handle{event, p.stop}, false, windows.INFINITE)
	var n uint32
	if err != nil || which != windows.WAIT_OBJECT_0 {
		_ = windows.CancelIoEx(h, o)
		_ = windows.GetOverlappedResult(h, o, &n, true) // the kernel writes to o until then
		if err != nil {
			return fmt.Errorf("wait at the pipe: %w", err)
		}
		windows.CloseHandle(h)
		return net.ErrClosed
	}
	if err := windows.GetOverlappedResult(h, o, &n, false); err != nil {
		_ = windows.DisconnectNamedPipe(h)
		return fmt.Errorf("wait at the pipe: %w", err)
	}
	return nil
}

// Close ends Accept, which closes the end that waits. One that is not in Accept is
// closed here.
func (p *pipe) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return net.ErrClosed
	}
	p.closed = true
	p.mu.Unlock()
	_ = windows.SetEvent(p.stop)
	if p.accepting.TryLock() {
		windows.CloseHandle(p.next)
		p.accepting.Unlock()
	}
	return nil
}

// Addr returns the name of the pipe.
func (p *pipe) Addr() net.Addr { return pipeAddr(p.name) }

type pipeAddr string

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return string(a) }

// pipeConn is one side of a pipe, opened for overlapped calls: that is what gives
// a file deadlines.
type pipeConn struct {
	*os.File
	in   *bufio.Reader
	name pipeAddr
}

func newPipeConn(h windows.Handle, name string) *pipeConn {
	f := os.NewFile(uintptr(h), name)
	return &pipeConn{f, bufio.NewReader(f), pipeAddr(name)}
}

func (c *pipeConn) Read(b []byte) (int, error) { return c.in.Read(b) }
func (c *pipeConn) LocalAddr() net.Addr        { return c.name }
func (c *pipeConn) RemoteAddr() net.Addr       { return c.name }

// reach opens a connection to the agent whose run folder is dir. It lets the agent
// see who asks, and no more: to act in the caller's name is not allowed to it.
// Where all ends are taken it asks again until callTimeout has passed.
func reach(dir string) (net.Conn, error) {
	name, err := windows.UTF16PtrFromString(pipeName(dir))
	if err != nil {
		return nil, err
	}
	for until := time.Now().Add(callTimeout); ; time.Sleep(busyAgain) {
		h, err := windows.CreateFile(name, pipeRights, 0, nil, windows.OPEN_EXISTING,
			windows.FILE_FLAG_OVERLAPPED|windows.SECURITY_SQOS_PRESENT|windows.SECURITY_IDENTIFICATION, 0)
		if errors.Is(err, windows.ERROR_PIPE_BUSY) && time.Now().Before(until) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !trusted(h) {
			windows.CloseHandle(h)
			return nil, ErrImpostor
		}
		return newPipeConn(h, pipeName(dir)), nil
	}
}

// trusted reports whether the pipe belongs to the system, to administrators, or to
// the account that asks. Anybody can open a pipe under the agent's name while no
// agent runs.
func trusted(h windows.Handle) bool {
	sd, err := windows.GetSecurityInfo(h, windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return false
	}
	owner, _, err := sd.Owner()
	if err != nil || owner == nil {
		return false
	}
	if owner.IsWellKnown(windows.WinLocalSystemSid) || owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) {
		return true
	}
	t := windows.GetCurrentProcessToken()
	if me, err := t.GetTokenUser(); err == nil && owner.Equals(me.User.Sid) {
		return true
	}
	mine := defaultOwner(t)
	return mine != nil && owner.Equals(mine)
}

// defaultOwner returns whose the things are that a process makes: on Windows its
// user or the administrators, under Wine a group.
func defaultOwner(t windows.Token) *windows.SID {
	buf := make([]byte, maxSID+unsafe.Sizeof(uintptr(0)))
	n := uint32(len(buf))
	if windows.GetTokenInformation(t, windows.TokenOwner, &buf[0], n, &n) != nil {
		return nil
	}
	// TOKEN_OWNER: a pointer to a SID that stands behind it.
	sid, err := (*(**windows.SID)(unsafe.Pointer(&buf[0]))).Copy()
	if err != nil {
		return nil
	}
	return sid
}

// hungUp reports whether the other end closed before it read everything.
func hungUp(err error) bool {
	return errors.Is(err, windows.ERROR_NO_DATA) || errors.Is(err, windows.ERROR_BROKEN_PIPE) ||
		errors.Is(err, windows.ERROR_PIPE_NOT_CONNECTED)
}
